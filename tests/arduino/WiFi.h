// A network that is there: what the sketch asks of an ESP32's WiFi.
#pragma once
#include "Arduino.h"

enum wl_status_t { WL_CONNECTED = 3 };

struct WiFiRadio {
  void begin(const char *, const char *) {}
  wl_status_t status() { return WL_CONNECTED; }
};
extern WiFiRadio WiFi;

class WiFiClient {};
