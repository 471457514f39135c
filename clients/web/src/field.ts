// The field of the game: what is drawn, and how keys, a finger and a gamepad move one's own player. Knows no network.
import { hueOf } from "./page";

/** Within the field from 0 to 1; as a direction from -1 to 1. */
export interface Point {
  x: number;
  y: number;
}

export interface FieldEvents {
  moved(point: Point, stopped: boolean): void;
  touched(star: number): void;
}

interface Player extends Point {
  id: string;
  target: Point;
}

interface Spark extends Point {
  dx: number;
  dy: number;
  life: number;
}

const RATIO = 0.64; // height for width
const SPEED = 0.35; // of the width, in a second
const REACH = 0.035;
const TELL_MS = 50;
const STEER_MS = 400; // a step of a gamepad
const KEYS: Record<string, Point> = {
  ArrowLeft: { x: -1, y: 0 }, ArrowRight: { x: 1, y: 0 }, ArrowUp: { x: 0, y: -1 }, ArrowDown: { x: 0, y: 1 },
  a: { x: -1, y: 0 }, d: { x: 1, y: 0 }, w: { x: 0, y: -1 }, s: { x: 0, y: 1 },
};

export function isPoint(data: unknown): data is Point {
  const { x, y } = (data ?? {}) as Partial<Point>;
  return Number.isFinite(x) && Number.isFinite(y);
}

export class Field {
  /** The one that is up; each has its own place. */
  star = 0;
  readonly #players = new Map<string, Player>();
  readonly #own: Player;
  readonly #pressed = new Set<string>();
  readonly #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #pointer: Point | undefined;
  #steering: (Point & { until: number }) | undefined;
  #sparks: Spark[] = [];
  #told = 0;
  #toldStar = -1;
  #moving = false;
  #before = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    me: string,
    readonly events: FieldEvents,
  ) {
    const at = { x: 0.2 + Math.random() * 0.6, y: 0.2 + Math.random() * 0.6 };
    this.#own = { id: me, ...at, target: at };
    this.#players.set(me, this.#own);
    addEventListener("keydown", (event) => this.#key(event, true));
    addEventListener("keyup", (event) => this.#key(event, false));
    addEventListener("blur", () => this.#pressed.clear());
    canvas.onpointerdown = (event) => this.#point(event);
    canvas.onpointermove = (event) => event.buttons && this.#point(event);
    canvas.onpointerup = canvas.onpointercancel = () => (this.#pointer = undefined);
    new ResizeObserver(() => this.#resize()).observe(canvas);
    requestAnimationFrame((now) => this.#frame(now));
  }

  /** Somebody is there now; they are drawn moving there. */
  place(id: string, { x, y }: Point): void {
    if (id === this.#own.id) return;
    const target = { x: within(x), y: within(y) };
    const known = this.#players.get(id);
    if (known) known.target = target;
    else this.#players.set(id, { id, ...target, target });
  }

  remove(id: string): void {
    if (id !== this.#own.id) this.#players.delete(id);
  }

  /** One step of a gamepad. */
  steer({ x, y }: Point): void {
    this.#steering = { x: Math.sign(x), y: Math.sign(y), until: performance.now() + STEER_MS };
  }

  /** Say where we are. */
  announce(): void {
    this.#toldStar = -1; // what was told before may have been lost
    this.events.moved({ x: round(this.#own.x), y: round(this.#own.y) }, true);
  }

  burst(star: number): void {
    if (this.#calm.matches) return;
    const { x, y } = placeOf(star);
    for (let n = 0; n < 24; n++) {
      const angle = (n / 24) * 2 * Math.PI;
      this.#sparks.push({ x, y, dx: Math.cos(angle) * 0.25, dy: Math.sin(angle) * 0.25, life: 1 });
    }
  }

  // -- moving

  #key(event: KeyboardEvent, down: boolean): void {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (!(key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (down && document.activeElement !== this.canvas && document.activeElement !== document.body) return;
    if (down) event.preventDefault();
    if (down) this.#pressed.add(key);
    else this.#pressed.delete(key);
  }

  #point(event: PointerEvent): void {
    this.canvas.setPointerCapture(event.pointerId);
    const box = this.canvas.getBoundingClientRect();
    this.#pointer = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
  }

  #direction(now: number): Point {
    if (this.#pointer) return towards(this.#own, this.#pointer);
    if (this.#steering && this.#steering.until > now) return this.#steering;
    const sum = { x: 0, y: 0 };
    for (const key of this.#pressed) {
      sum.x += KEYS[key]?.x ?? 0;
      sum.y += KEYS[key]?.y ?? 0;
    }
    return sum;
  }

  #step(now: number, seconds: number): void {
    const direction = this.#direction(now);
    const length = Math.hypot(direction.x, direction.y);
    const moving = length > 0.001;
    if (moving) {
      const far = (SPEED * seconds * Math.min(1, length)) / length;
      this.#own.x = within(this.#own.x + direction.x * far);
      this.#own.y = within(this.#own.y + (direction.y * far) / RATIO);
    }
    if (moving ? now - this.#told >= TELL_MS : this.#moving) {
      this.#told = now;
      this.events.moved({ x: round(this.#own.x), y: round(this.#own.y) }, !moving);
    }
    this.#moving = moving;
    const star = placeOf(this.star);
    const distance = Math.hypot(star.x - this.#own.x, (star.y - this.#own.y) * RATIO);
    if (moving && distance < REACH && this.#toldStar !== this.star) {
      this.#toldStar = this.star;
      this.events.touched(this.star);
    }
  }

  // -- drawing

  #resize(): void {
    const width = this.canvas.clientWidth;
    this.canvas.width = width * devicePixelRatio;
    this.canvas.height = width * RATIO * devicePixelRatio;
  }

  #frame(now: number): void {
    const seconds = Math.min(0.1, (now - this.#before) / 1000);
    this.#before = now;
    this.#step(now, seconds);
    const nearer = 1 - Math.exp(-seconds * 14);
    for (const player of this.#players.values()) {
      if (player === this.#own) continue;
      player.x += (player.target.x - player.x) * nearer;
      player.y += (player.target.y - player.y) * nearer;
    }
    this.#draw(now, seconds);
    requestAnimationFrame((next) => this.#frame(next));
  }

  #draw(now: number, seconds: number): void {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    const { width, height } = this.canvas;
    const style = getComputedStyle(this.canvas);
    const unit = width / 100;
    context.clearRect(0, 0, width, height);
    context.fillStyle = style.getPropertyValue("--meadow-dot");
    for (let n = 0; n < 90; n++) context.fillRect(((n * 61.8) % 100) * unit, (((n * n * 7.3) % 97) / 97) * height, unit * 0.35, unit * 0.9);
    this.#drawStar(context, now, unit, style.getPropertyValue("--star"));
    this.#drawSparks(context, seconds, unit, style.getPropertyValue("--star"));
    for (const player of this.#players.values()) this.#drawPlayer(context, player, unit, style);
  }

  #drawStar(context: CanvasRenderingContext2D, now: number, unit: number, colour: string): void {
    const { x, y } = this.#pixels(placeOf(this.star));
    const turn = this.#calm.matches ? 0 : now / 900;
    context.beginPath();
    for (let n = 0; n < 10; n++) {
      const far = unit * (n % 2 ? 1.1 : 2.5);
      context.lineTo(x + Math.sin(turn + (n * Math.PI) / 5) * far, y - Math.cos(turn + (n * Math.PI) / 5) * far);
    }
    context.closePath();
    context.fillStyle = colour;
    context.shadowColor = colour;
    context.shadowBlur = unit * 2;
    context.fill();
    context.shadowBlur = 0;
  }

  #drawSparks(context: CanvasRenderingContext2D, seconds: number, unit: number, colour: string): void {
    context.fillStyle = colour;
    for (const spark of this.#sparks) {
      spark.x += spark.dx * seconds;
      spark.y += spark.dy * seconds;
      spark.life -= seconds * 1.6;
      const { x, y } = this.#pixels(spark);
      context.globalAlpha = Math.max(0, spark.life);
      context.fillRect(x, y, unit * 0.7, unit * 0.7);
    }
    context.globalAlpha = 1;
    this.#sparks = this.#sparks.filter(({ life }) => life > 0);
  }

  #drawPlayer(context: CanvasRenderingContext2D, player: Player, unit: number, style: CSSStyleDeclaration): void {
    const { x, y } = this.#pixels(player);
    const radius = Math.max(unit * 1.9, 9 * devicePixelRatio);
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = style.getPropertyValue(`--hue-${hueOf(player.id)}`);
    context.fill();
    context.lineWidth = radius / 5;
    context.strokeStyle = style.getPropertyValue(player === this.#own ? "--ink" : "--card");
    context.stroke();
    context.fillStyle = "#ffffff";
    for (const side of [-1, 1]) context.fillRect(x + side * radius * 0.36 - radius * 0.13, y - radius * 0.4, radius * 0.26, radius * 0.5);
    context.font = `600 ${Math.max(unit * 1.5, 12 * devicePixelRatio)}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillStyle = style.getPropertyValue("--ink");
    const above = y < radius * 3.5;
    const half = context.measureText(player.id).width / 2 + unit;
    const middle = Math.min(this.canvas.width - half, Math.max(half, x));
    context.fillText(player.id, middle, above ? y + radius * 2.2 : y - radius * 1.5);
  }

  #pixels({ x, y }: Point): Point {
    return { x: x * this.canvas.width, y: y * this.canvas.height };
  }
}

function within(value: number): number {
  return Math.min(0.98, Math.max(0.02, value));
}

function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

function towards(from: Point, to: Point): Point {
  const [x, y] = [to.x - from.x, (to.y - from.y) * RATIO];
  const length = Math.hypot(x, y);
  return length < 0.01 ? { x: 0, y: 0 } : { x: x / length, y: y / length };
}

/** The same on every screen. */
function placeOf(star: number): Point {
  return { x: 0.08 + 0.84 * ((star * 0.618034 + 0.37) % 1), y: 0.14 + 0.74 * ((star * 0.754878 + 0.61) % 1) };
}
