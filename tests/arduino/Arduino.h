// As much of Arduino's core as the sketch uses, on Linux.
#pragma once
#include <stdint.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

using std::min;

class String {
 public:
  String(const char *text = "") : text_(text) {}
  String(const std::string &text) : text_(text) {}
  String(float value, unsigned int digits) {
    char buffer[32];
    snprintf(buffer, sizeof buffer, "%.*f", (int)digits, value);
    text_ = buffer;
  }
  const char *c_str() const { return text_.c_str(); }
  unsigned int length() const { return text_.size(); }
  int indexOf(const String &what) const { return found(text_.find(what.text_)); }
  int indexOf(char what, int from = 0) const { return found(text_.find(what, from)); }
  bool startsWith(const String &what) const { return text_.compare(0, what.length(), what.text_) == 0; }
  String substring(unsigned int from) const { return text_.substr(std::min<size_t>(from, text_.size())); }
  String substring(unsigned int from, unsigned int to) const { return text_.substr(from, to - from); }
  bool operator==(const String &other) const { return text_ == other.text_; }
  bool operator!=(const String &other) const { return text_ != other.text_; }
  String &operator+=(char one) { text_ += one; return *this; }
  friend String operator+(const String &a, const String &b) { return a.text_ + b.text_; }

 private:
  static int found(size_t at) { return at == std::string::npos ? -1 : (int)at; }
  std::string text_;
};

struct SerialPort {
  void begin(unsigned long) {}
  void println(const char *text) { printf("%s\n", text); fflush(stdout); }
  int printf(const char *format, ...) {
    va_list values;
    va_start(values, format);
    int written = vprintf(format, values);
    va_end(values);
    fflush(stdout);
    return written;
  }
};
extern SerialPort Serial;

unsigned long millis();
void delay(unsigned long ms);
long random(long most);
long random(long least, long most);
void setup();
void loop();
