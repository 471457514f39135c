// Devices that are known; of one of them what it measures, its twin to edit, and methods to call.
import { ask } from "./console-api";
import { DevicePanel } from "./console-device";
import { ago, element, shown, write } from "./console-page";
import { Table } from "./console-table";

const MOST = 200;

export interface Device {
  id: string;
  online: boolean;
  since: number;
  seen: number | null;
}

export class Devices {
  readonly #panel = new DevicePanel();
  #chosen: string | null = null;
  #known: Device[] = [];
  readonly #table = new Table<Device>(
    element("device-table"),
    [
      { title: "Device", text: (one) => one.id, press: (one) => this.#choose(one) },
      { title: "", text: (one) => (one.online ? "online" : "offline"), style: (one) => `badge ${one.online ? "good" : "bad"}` },
      { title: "For", text: (one) => ago(one.since), kind: "number" },
      { title: "Last seen", text: (one) => (one.seen === null ? "–" : ago(one.seen)), kind: "number" },
    ],
    (one) => one.id,
    "No device has this in its id.",
  );

  async refresh(): Promise<void> {
    const filter = element<HTMLInputElement>("device-filter").value;
    const { devices, total } = await ask<{ devices: Device[]; total: number }>("GET", `/api/v1/devices?limit=${MOST}&filter=${encodeURIComponent(filter)}`);
    if (filter !== element<HTMLInputElement>("device-filter").value) return;
    write(element("device-count"), shown(total, devices.length, "device"));
    this.#known = devices.sort((a, b) => a.id.localeCompare(b.id));
    this.#show();
    if (this.#chosen !== null) await this.#panel.refresh(this.#known.find(({ id }) => id === this.#chosen));
  }

  #show(): void {
    this.#table.show(this.#known, ({ id }) => id === this.#chosen);
  }

  #choose(device: Device): void {
    this.#chosen = device.id;
    this.#show();
    this.#panel.open(device);
  }
}
