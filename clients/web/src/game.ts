// The meadow: players that everybody sees move, and stars of which everybody knows who was first.
// -- the lines
import { connect } from "@rt-service/client";
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
    announced = counted().length;
  }
  showScores();
});

/** Only who is first at the star that is up catches it; the history may begin in the middle of a game. */
function counted(): typeof catches {
  let up: number | undefined;
  return catches.filter(({ star }) => {
    const counts = Number.isSafeInteger(star) && (up === undefined || star === up);
    if (counts) up = star + 1;
    return counts;
  });
}

function showScores(): void {
  const caught = counted();
  const points = new Map<string, number>();
  for (const { id } of caught) points.set(id, (points.get(id) ?? 0) + 1);
  field.star = (caught.at(-1)?.star ?? -1) + 1;
  const here = new Set([me(), ...meadow.members.map(({ id }) => id)]);
  const ranked = [...here].sort((a, b) => (points.get(b) ?? 0) - (points.get(a) ?? 0) || a.localeCompare(b));
  element("scores").replaceChildren(...ranked.map((id) => scoreOf(id, points.get(id) ?? 0)));
  for (const { id, star } of caught.slice(announced)) {
    field.burst(star);
    element("news").textContent = `${id === me() ? "You" : id} caught star ${star + 1}`;
  }
  announced = caught.length;
}

function scoreOf(id: string, points: number): HTMLElement {
  const item = make("li", "");
  const swatch = make("span", "", `swatch hue-${hueOf(id)}`);
  swatch.setAttribute("aria-hidden", "true");
  item.append(swatch, make("span", id === me() ? `${id} (you)` : id, "who"), make("b", String(points)));
  return item;
}

element("pad").textContent = `mosquitto_pub \\\n -t rt/in/game/meadow/steer \\\n -m '{"player":"${me()}",\n     "x":1,"y":0}'`;
showState(game);
game.onState((state) => element("field").classList.toggle("away", state !== "connected"));
