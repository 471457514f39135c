// The meadow: players that everybody sees move, and stars of which everybody knows who was first.
// -- the lines
import { connect } from "rt-client";
import { Field, isPoint, type Point } from "./field";
import { element, hueOf, make, me, showState, who } from "./page";

const game = connect(location.origin, { namespace: "/game", ...who() });
const meadow = game.join("meadow");
const field = new Field(element<HTMLCanvasElement>("field"), me(), { moved, touched });

meadow.on<Point>("at", ({ from, data }) => isPoint(data) && field.place(from.id, data));
meadow.on<Caught>("caught", ({ from, data }) => catches.push({ id: from.id, ...data }) && showScores());
meadow.on<Steering>("steer", ({ data }) => data?.player === me() && isPoint(data) && field.steer(data));

/** While somebody moves, whoever is slow may miss a step; where they stop is kept for who comes later. */
function moved(point: Point, stopped: boolean): void {
  const how = stopped ? ({ class: "latest", key: me() } as const) : ({ class: "volatile" } as const);
  meadow.publish("at", point, how).catch(() => undefined); // away: where we are then is told when we are back
}

/** Two may touch a star at once. Everybody sees kept publications in one order, so all agree who was first. */
function touched(star: number): void {
  meadow.publish("caught", { star }).catch(() => undefined);
}
// -- end of the lines

interface Caught {
  star: number;
}

interface Steering extends Point {
  player: string;
}

let catches: ({ id: string } & Caught)[] = [];
let announced = 0;

meadow.onPresence(({ action, member }) => {
  if (action === "leave") field.remove(member.id);
  showScores();
});

meadow.onJoined(async ({ first, recovered, latest, members, epoch, offset }) => {
  const here = new Set(members.map(({ id }) => id));
  for (const { event, from, data } of latest) if (event === "at" && here.has(from.id) && isPoint(data)) field.place(from.id, data);
  field.announce();
  if (first || !recovered) {
    catches = [];
    const { publications } = await meadow.history({ since: { epoch, offset: offset + 1 }, reverse: true, limit: 1000 });
    const before = publications.reverse().filter(({ event }) => event === "caught");
    catches.unshift(...before.map(({ from, data }) => ({ id: from.id, ...(data as Caught) })));
    announced = catches.length;
  }
  showScores();
});

/** Only who is first at the star that is up catches it; the history may begin in the middle of a game. */
function scores(): { star: number; points: Map<string, number> } {
  const points = new Map<string, number>();
  let star: number | undefined;
  for (const { id, star: caught } of catches) {
    if (!Number.isSafeInteger(caught) || (star !== undefined && caught !== star)) continue;
    star = caught + 1;
    points.set(id, (points.get(id) ?? 0) + 1);
  }
  return { star: star ?? 0, points };
}

function showScores(): void {
  const { star, points } = scores();
  field.star = star;
  const here = new Set([me(), ...meadow.members.map(({ id }) => id)]);
  const ranked = [...here].sort((a, b) => (points.get(b) ?? 0) - (points.get(a) ?? 0) || a.localeCompare(b));
  element("scores").replaceChildren(...ranked.map((id) => scoreOf(id, points.get(id) ?? 0)));
  for (; announced < catches.length; announced++) tellCatch(catches[announced]);
}

function scoreOf(id: string, points: number): HTMLElement {
  const item = make("li", "");
  const swatch = make("span", "", `swatch hue-${hueOf(id)}`);
  swatch.setAttribute("aria-hidden", "true");
  item.append(swatch, make("span", id === me() ? `${id} (you)` : id, "who"), make("b", String(points)));
  return item;
}

function tellCatch(caught: ({ id: string } & Caught) | undefined): void {
  if (!caught || field.star !== caught.star + 1) return;
  field.burst(caught.star);
  element("news").textContent = `${caught.id === me() ? "You" : caught.id} caught star ${caught.star + 1}`;
}

element("pad").textContent = `mosquitto_pub \\\n -t rt/in/game/meadow/steer \\\n -m '{"player":"${me()}",\n     "x":1,"y":0}'`;
showState(game);
game.onState((state) => element("field").classList.toggle("away", state !== "connected"));
