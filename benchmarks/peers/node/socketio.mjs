// Node's socket.io as its documentation shows it: rooms, a broadcast, a bare echo. It keeps nothing.
//   node socketio.mjs PORT_FILE
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { perMessageDeflate: false });
const chat = io.of("/chat");

chat.on("connection", (socket) => {
  socket.on("join", ({ room }, answer) => {
    socket.join(room);
    answer?.({ ok: true });
  });
  socket.on("publish", (said, answer) => {
    chat.to(said.room).emit(said.event, said.data);
    answer?.({ ok: true });
  });
  socket.on("ping", (data, answer) => answer(data));
});

http.listen(0, "127.0.0.1", () => writeFileSync(process.argv[2], String(http.address().port)));
