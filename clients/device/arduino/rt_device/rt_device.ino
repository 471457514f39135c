// A device of rt-service on an ESP32, with PubSubClient (Library Manager: "PubSubClient" by Nick O'Leary).
//
// It is online while it runs and offline by its last will, says what it measures, answers the calls `set` and `ping`,
// and follows its twin: what it should be (desired) comes at every connect, what it is (reported) goes back.

#include <Arduino.h>
#include <PubSubClient.h>
#include <WiFi.h>

const char *WIFI_NAME = "your network";
const char *WIFI_PASSWORD = "its password";
const char *BROKER = "192.168.1.10";  // where rt-service runs, with --host 0.0.0.0
const uint16_t BROKER_PORT = 1883;
const char *DEVICE_ID = "esp-1";  // each board needs one of its own
const char *SECRET = "";  // what `device add esp-1` printed; empty where no tokens are needed
const unsigned long READING_EVERY_MS = 2000;
const unsigned long FIRST_PAUSE_MS = 500;
const unsigned long LONGEST_PAUSE_MS = 30000;
const unsigned long STEADY_MS = 5000;  // a connection that lasted as long was a good one: the next pause is short again

WiFiClient network;
PubSubClient mqtt(network);
float target = 20.0;
unsigned long readAt = 0;
unsigned long triedAt = 0;
unsigned long waitMs = 0;
unsigned long pauseMs = FIRST_PAUSE_MS;

String topic(const String &rest) { return String("devices/") + DEVICE_ID + "/" + rest; }

float celsius() { return target + random(-10, 11) / 10.0f; }  // read your sensor here

// The number behind "name": in a JSON object; false if there is none. ArduinoJson does this for more than one number.
bool readNumber(const String &json, const char *name, float &value) {
  String key = String("\"") + name + "\"";
  const char *at = json.c_str();
  while ((at = strstr(at, key.c_str())) != nullptr) {
    at += key.length();
    at += strspn(at, " \t\r\n");
    if (*at != ':') continue;  // it was a value
    char *end = nullptr;
    value = strtof(at + 1, &end);
    return end != at + 1;
  }
  return false;
}

// Take the target from "c", if it is there and a temperature; whether it was.
bool follow(const String &json) {
  float wanted = 0;
  if (!readNumber(json, "c", wanted) || !(wanted >= -50 && wanted <= 100)) return false;
  target = wanted;
  return true;
}

void report() {
  mqtt.publish(topic("twin/reported").c_str(), (String("{\"c\":") + String(target, 1) + "}").c_str());
}

void fail(const String &call, const String &code, const String &message) {
  String body = String("{\"code\":\"") + code + "\",\"message\":\"" + message + "\"}";
  mqtt.publish(topic("replies/" + call + "/error").c_str(), body.c_str());
}

void answer(const String &call, const String &method, const String &data) {
  String reply = topic("replies/" + call);
  if (method == "ping") {
    mqtt.publish(reply.c_str(), data.c_str());
  } else if (method != "set") {
    fail(call, "not_found", "no such method");
  } else if (!follow(data)) {
    fail(call, "bad_request", "set takes c, in degrees from -50 to 100");
  } else {
    mqtt.publish(reply.c_str(), (String("{\"c\":") + String(target, 1) + "}").c_str());
    report();
  }
}

void onMessage(char *name, uint8_t *payload, unsigned int length) {
  String where(name), body;
  for (unsigned int i = 0; i < length; i++) body += (char)payload[i];
  String calls = topic("calls/");
  if (where.startsWith(calls)) {  // devices/<id>/calls/<call>/<method>
    String rest = where.substring(calls.length());
    int slash = rest.indexOf('/');
    if (slash > 0) answer(rest.substring(0, slash), rest.substring(slash + 1), body);
  } else if (where == topic("twin/desired") && follow(body)) {  // {"desired":{"c":22},"version":3}
    report();
  }
}

void connectMqtt() {
  const char *user = SECRET[0] ? DEVICE_ID : nullptr;
  const char *password = SECRET[0] ? SECRET : nullptr;
  String status = topic("status");
  if (!mqtt.connect(DEVICE_ID, user, password, status.c_str(), 1, true, "offline")) {
    Serial.printf("no MQTT: %d (4 and 5: the secret is wrong)\n", mqtt.state());
    return;
  }
  mqtt.subscribe(topic("calls/+/+").c_str(), 1);
  mqtt.subscribe(topic("twin/desired").c_str(), 1);
  mqtt.publish(status.c_str(), "online", true);
  mqtt.publish(topic("events/started").c_str(), "{}");
  Serial.println("connected");
}

void stayConnected() {
  unsigned long since = millis() - triedAt;  // millis() starts again after 49 days; a difference stays right
  if (mqtt.connected()) {
    if (since > STEADY_MS) pauseMs = FIRST_PAUSE_MS;
    return;
  }
  if (WiFi.status() != WL_CONNECTED || since < waitMs) return;
  connectMqtt();
  triedAt = millis();
  waitMs = pauseMs / 2 + random(pauseMs / 2);  // chance, lest all devices come back at once
  pauseMs = min(2 * pauseMs, LONGEST_PAUSE_MS);
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(WIFI_NAME, WIFI_PASSWORD);
  mqtt.setServer(BROKER, BROKER_PORT);
  mqtt.setBufferSize(2048);  // 256 is too little for a call with data
  mqtt.setKeepAlive(10);
  mqtt.setCallback(onMessage);
}

void loop() {
  stayConnected();
  mqtt.loop();
  if (mqtt.connected() && millis() - readAt >= READING_EVERY_MS) {
    readAt = millis();
    mqtt.publish(topic("telemetry").c_str(), (String("{\"c\":") + String(celsius(), 1) + "}").c_str());
  }
  delay(10);
}
