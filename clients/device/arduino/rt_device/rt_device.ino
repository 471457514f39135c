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
const char *DEVICE_ID = "esp-1";
const char *SECRET = "";  // what `device add esp-1` printed; empty where no tokens are needed
const unsigned long READING_EVERY_MS = 2000;
const unsigned long LONGEST_PAUSE_MS = 30000;

WiFiClient network;
PubSubClient mqtt(network);
float target = 20.0;
unsigned long nextReading = 0;
unsigned long nextConnect = 0;
unsigned long pauseMs = 500;

String topic(const String &rest) { return String("devices/") + DEVICE_ID + "/" + rest; }

float celsius() { return target + random(-10, 11) / 10.0f; }  // read your sensor here

// The number behind "name": in a JSON object; false if there is none. ArduinoJson does this for more than one number.
bool readNumber(const String &json, const char *name, float &value) {
  int at = json.indexOf(String("\"") + name + "\"");
  if (at < 0) return false;
  at = json.indexOf(':', at);
  if (at < 0) return false;
  const char *start = json.c_str() + at + 1;
  char *end = nullptr;
  float found = strtof(start, &end);
  if (end == start) return false;
  value = found;
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
  } else if (!readNumber(data, "c", target)) {
    fail(call, "bad_request", "set takes c, in degrees");
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
  } else if (where == topic("twin/desired") && readNumber(body, "c", target)) {  // {"desired":{"c":22},"version":3}
    report();
  }
}

bool connectMqtt() {
  const char *user = SECRET[0] ? DEVICE_ID : nullptr;
  const char *password = SECRET[0] ? SECRET : nullptr;
  String status = topic("status");
  if (!mqtt.connect(DEVICE_ID, user, password, status.c_str(), 1, true, "offline")) {
    Serial.printf("no MQTT: %d (4 and 5: the secret is wrong)\n", mqtt.state());
    return false;
  }
  mqtt.subscribe(topic("calls/+/+").c_str(), 1);
  mqtt.subscribe(topic("twin/desired").c_str(), 1);
  mqtt.publish(status.c_str(), "online", true);
  mqtt.publish(topic("events/started").c_str(), "{}");
  Serial.println("connected");
  return true;
}

void stayConnected() {
  unsigned long now = millis();
  if (mqtt.connected() || WiFi.status() != WL_CONNECTED || (long)(now - nextConnect) < 0) return;
  pauseMs = connectMqtt() ? 500 : min(2 * pauseMs, LONGEST_PAUSE_MS);
  nextConnect = millis() + pauseMs / 2 + random(pauseMs / 2);  // chance, lest all devices come back at once
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
  unsigned long now = millis();
  if (mqtt.connected() && (long)(now - nextReading) >= 0) {
    nextReading = now + READING_EVERY_MS;
    mqtt.publish(topic("telemetry").c_str(), (String("{\"c\":") + String(celsius(), 1) + "}").c_str());
  }
  delay(10);
}
