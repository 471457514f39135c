// @rt-service/client: what a program that talks to an rt-service needs.
export { connect, Client, type Call, type Twin } from "./client.js";
export type { ConnectOptions, State, Token } from "./connection.js";
export type { Off } from "./handlers.js";
export { Room, type History, type HistoryOptions } from "./room.js";
export { RtError } from "../src/failures.js";
export type { Identity, Member, Position, PresenceChange, Publication, Published, Pushed } from "../src/protocol.js";
export type { PublishOptions, RoomJoined } from "../src/rooms.js";
