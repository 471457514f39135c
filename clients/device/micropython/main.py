# A device of rt-service on MicroPython (ESP32, Pico W), with umqtt: mpremote mip install umqtt.simple
#
# It is online while it runs and offline by its last will, says what it measures, answers the calls `set` and `ping`,
# and follows its twin: what it should be (desired) comes at every connect, what it is (reported) goes back.
# Your network is joined in boot.py, with network.WLAN(network.STA_IF).

import json
import random
import time

from umqtt.simple import MQTTClient, MQTTException

BROKER = "192.168.1.10"  # where rt-service runs, with --host 0.0.0.0
PORT = 1883
DEVICE_ID = "esp-2"  # each board needs one of its own
SECRET = None  # what `device add esp-2` printed; None where no tokens are needed
KEEPALIVE_S = 10
READING_EVERY_MS = 2000
FIRST_PAUSE_MS = 500
LONGEST_PAUSE_MS = 30000
STEADY_MS = 5000  # a connection that lasted as long was a good one: the next pause is short again

target = 20.0
pause = FIRST_PAUSE_MS
answers = []  # publish while a message is handled would read the next one meanwhile


def topic(rest):
    return f"devices/{DEVICE_ID}/{rest}"


def celsius():
    return round(target + random.uniform(-1, 1), 1)  # read your sensor here


def say(rest, value, retain=False):
    text = value if rest == "status" else json.dumps(value)
    mqtt.pid %= 65535  # a message's number: umqtt counts on past what two bytes hold, and waits for ever then
    mqtt.publish(topic(rest), text.encode(), retain, 1)  # of a str umqtt would count the characters


def follow(values):
    """Take the target from values, if it is there and a temperature; whether it was."""
    global target
    wanted = values.get("c") if isinstance(values, dict) else None
    if isinstance(wanted, bool) or not isinstance(wanted, (int, float)) or not -50 <= wanted <= 100:
        return False
    target = wanted
    answers.append(("twin/reported", {"c": target}))
    return True


def answer(call, method, data):
    if method == "ping":
        answers.append(("replies/" + call, data))
    elif method != "set":
        answers.append((f"replies/{call}/error", {"code": "not_found", "message": "no method " + method}))
    elif follow(data):
        answers.append(("replies/" + call, {"c": target}))
    else:
        answers.append(
            (f"replies/{call}/error", {"code": "bad_request", "message": "set takes c, in degrees from -50 to 100"})
        )


def on_message(name, payload):
    parts = name.decode().split("/")  # devices/<id>/calls/<call>/<method>, devices/<id>/twin/desired
    try:
        data = json.loads(payload) if payload else None
    except ValueError:
        return
    if parts[2] == "calls":
        answer(parts[3], parts[4], data)
    elif isinstance(data, dict):
        follow(data.get("desired"))


def connect():
    mqtt.connect()
    mqtt.pid = 0
    mqtt.subscribe(topic("calls/+/+"), 1)
    mqtt.subscribe(topic("twin/desired"), 1)
    say("status", "online", retain=True)
    say("events/started", {})
    print("connected")


def run():
    """Until the connection breaks."""
    global pause
    began = reading = ping = time.ticks_ms()
    while True:
        mqtt.check_msg()
        while answers:
            say(*answers.pop(0))
        now = time.ticks_ms()
        if time.ticks_diff(now, reading) >= 0:
            reading = time.ticks_add(now, READING_EVERY_MS)
            say("telemetry", {"c": celsius()})
        if time.ticks_diff(now, ping) >= 0:  # umqtt leaves that to us
            ping = time.ticks_add(now, KEEPALIVE_S * 500)
            mqtt.ping()
        if time.ticks_diff(now, began) > STEADY_MS:
            pause = FIRST_PAUSE_MS
        time.sleep_ms(10)


mqtt = MQTTClient(DEVICE_ID, BROKER, PORT, DEVICE_ID if SECRET else None, SECRET, KEEPALIVE_S)
mqtt.set_last_will(topic("status"), "offline", True, 1)
mqtt.set_callback(on_message)
while True:
    try:
        connect()
        run()
    except MQTTException as error:
        print("no MQTT:", error, "(4 and 5: the secret is wrong)")
    except Exception as error:  # noqa: BLE001  also umqtt's IndexError, where a connection ends amidst an answer
        print("no connection:", error)
    try:
        mqtt.sock.close()
    except (AttributeError, OSError):
        pass  # there is none, or it is closed
    time.sleep_ms(pause // 2 + random.randrange(pause // 2))  # chance, lest all devices come back at once
    pause = min(2 * pause, LONGEST_PAUSE_MS)
