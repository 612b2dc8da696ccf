import { readdirSync, readFileSync, writeFileSync } from "node:fs";

const BYTES_PER_KIB = 1_024;

/** Bytes of memory that a process holds. */
export const residentBytes = (pid: number): number => kibOf(pid, "VmRSS") * BYTES_PER_KIB;

/** Forgets the most that a process has held in memory so far, which is then what it holds now. */
export function resetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
  return peakMib(pid);
}

/** The most that a process has held in memory so far. */
export const peakMib = (pid: number): number => Math.round(kibOf(pid, "VmHWM") / 1_024);

export const openFiles = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

function kibOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const kib = readFileSync(`/proc/${pid}/status`, "utf8").split(`${field}:`)[1];
  return Number.parseInt(kib ?? "", 10);
}
