import { readFileSync, writeFileSync } from "node:fs";

/** Forgets the most that a process has held in memory so far, which is then what it holds now. */
export function resetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  return peakMib(pid);
}

/** The most that a process has held in memory so far. */
export const peakMib = (pid: number): number => Math.round(Number(/VmHWM:\s+(\d+) kB/u.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024);
