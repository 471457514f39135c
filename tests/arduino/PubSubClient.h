// PubSubClient's functions, which say on standard output what a sketch does and read what it hears from standard input.
//
// A line each, its fields separated by tabs: `connect` goes out, and `ok` or `refuse` comes in; `check`, and what has come
// does until `end`: `message`, `drop`, `later`, which sets the clock forward by as many ms; `subscribe` and `publish`. tests/support/board.py is at the other end, with a real
// MQTT client and a real service.
#pragma once
#include "Arduino.h"
#include "WiFi.h"

class PubSubClient {
 public:
  explicit PubSubClient(WiFiClient &) {}
  PubSubClient &setServer(const char *host, uint16_t port);
  PubSubClient &setCallback(void (*callback)(char *, uint8_t *, unsigned int));
  PubSubClient &setKeepAlive(uint16_t seconds);
  bool setBufferSize(uint16_t bytes);
  bool connect(const char *id, const char *user, const char *password, const char *willTopic, uint8_t willQos,
               bool willRetain, const char *willMessage);
  bool connected();
  bool publish(const char *topic, const char *payload, bool retained = false);
  bool subscribe(const char *topic, uint8_t qos);
  bool loop();
  int state();
};
