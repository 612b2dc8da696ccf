import { connect, createServer } from "node:net";
import { argv, stdout } from "node:process";

/** What any hop in Node costs at the least: a process that carries bytes from one socket to another, and looks at none of them. */
const [host = "127.0.0.1", port = ""] = argv.slice(2);

const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
  const far = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object") stdout.write(`${address.port}\n`);
});
