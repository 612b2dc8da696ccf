/** What the control plane signs about an event before a checkpoint covers it: this event, at this position, in this log. */
export const promiseText = (origin: string, position: string, leafHash: string, time: string): string =>
  `sallyport-promise/1\n${origin}\nposition ${position}\nleaf ${leafHash}\ntime ${time}\n`;
