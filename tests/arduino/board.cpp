// The board that a sketch runs on in the tests: its clock, and PubSubClient over standard input and output.
#include <time.h>
#include <unistd.h>

#include <iostream>
#include <sstream>
#include <vector>

#include "PubSubClient.h"

SerialPort Serial;
WiFiRadio WiFi;

namespace {
void (*hear)(char *, uint8_t *, unsigned int) = nullptr;
bool online = false;
uint32_t later = 0;  // ms that the test has let pass
int refusal = 0;
unsigned int buffer = 256;  // as PubSubClient has it

std::string shown(const char *text) { return text ? text : "-"; }

bool say(const std::string &line) {
  std::cout << line << std::endl;
  return true;
}

std::vector<std::string> readLine() {
  std::string line, field;
  std::vector<std::string> fields;
  for (char one = 0; one != '\n';) {
    if (one) line += one;
    if (read(0, &one, 1) != 1) exit(0);  // the test has gone
  }
  for (std::stringstream rest(line); std::getline(rest, field, '\t');) fields.push_back(field);
  return fields;
}
}  // namespace

unsigned long millis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)(now.tv_sec * 1000UL + now.tv_nsec / 1000000) + later;
}
void delay(unsigned long ms) { usleep(ms * 1000); }
long random(long most) { return most > 0 ? rand() % most : 0; }
long random(long least, long most) { return least + random(most - least); }

PubSubClient &PubSubClient::setServer(const char *, uint16_t) { return *this; }
PubSubClient &PubSubClient::setKeepAlive(uint16_t) { return *this; }
PubSubClient &PubSubClient::setCallback(void (*callback)(char *, uint8_t *, unsigned int)) {
  hear = callback;
  return *this;
}
bool PubSubClient::setBufferSize(uint16_t bytes) { return (buffer = bytes) > 0; }
bool PubSubClient::connected() { return online; }
int PubSubClient::state() { return refusal; }

// Asks the test, which answers `ok`, or `refuse` and PubSubClient's number for why.
bool PubSubClient::connect(const char *id, const char *user, const char *password, const char *willTopic,
                           uint8_t willQos, bool willRetain, const char *willMessage) {
  std::ostringstream line;
  line << "connect\t" << id << '\t' << shown(user) << '\t' << shown(password) << '\t' << willTopic << '\t'
       << (int)willQos << '\t' << willRetain << '\t' << willMessage;
  say(line.str());
  auto answer = readLine();
  online = answer[0] == "ok";
  refusal = online ? 0 : std::stoi(answer[1]);
  return online;
}

bool PubSubClient::publish(const char *topic, const char *payload, bool retained) {
  if (!online || strlen(topic) + strlen(payload) + 7 > buffer) return false;
  return say(std::string("publish\t") + topic + '\t' + (retained ? "1" : "0") + '\t' + payload);
}

bool PubSubClient::subscribe(const char *topic, uint8_t qos) {
  return online && say(std::string("subscribe\t") + topic + '\t' + std::to_string(qos));
}

bool PubSubClient::loop() {
  if (!online) return false;
  say("check");
  for (auto fields = readLine(); fields[0] != "end"; fields = readLine()) {
    if (fields[0] == "drop") {
      online = false;
    } else if (fields[0] == "later") {
      later += (uint32_t)std::stoul(fields[1]);
    } else if (fields[1].size() + fields[2].size() + 7 <= buffer) {
      std::string topic = fields[1], payload = fields[2];
      hear(&topic[0], (uint8_t *)payload.data(), payload.size());
    }
  }
  return online;
}

int main() {
  setup();
  for (;;) loop();
}
