"""Rules for devices: `python run.py --app docs.examples.thermostat:setup --simulate 3`.

Every telemetry gets Fahrenheit beside Celsius, and a device that is too warm is told what it should be.
"""

WARM = 30.0


def setup(rt):
    @rt.on("/iot", "telemetry")
    def convert(said):
        if "c" in said.data:
            said.data = {**said.data, "f": round(said.data["c"] * 9 / 5 + 32, 1)}

    @rt.on("/iot", "telemetry")
    def cool_down(said):
        device = said.room.removeprefix("device:")
        if said.data.get("c", 0.0) > WARM and not rt.api.twin(device)["desired"].get("fan"):
            rt.api.update_twin(device, {"fan": True})
