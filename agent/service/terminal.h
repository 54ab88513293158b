// What a person sees: one status line a second on a terminal, plain lines elsewhere; all of it on stderr.
// Results of a command go to stdout and never through here. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace impound::agent {

class Terminal {
 public:
  explicit Terminal(bool quiet);
  ~Terminal();
  Terminal(Terminal const&) = delete;
  Terminal& operator=(Terminal const&) = delete;

  /// A line that stays. Control characters of foreign texts are shown as '?'.
  void say(std::string const& text);
  /// The state right now: redrawn on a terminal at most once a second; elsewhere a plain line at most every 10 s, and
  /// only when it changed.
  void status(std::string const& text);
  /// Takes the status line away, so that what comes next starts on a clean line.
  void clear();

 private:
  int width() const;

  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::string last_;
  std::chrono::steady_clock::time_point next_{};
};

/// "9.7 MB", "1.2 GB": decimal units, as disks and downloads are counted.
std::string bytes_text(std::uint64_t bytes);

/// Foreign text for a terminal: control characters and bytes that are not UTF-8 become '?', at most `characters_max`.
std::string shown(std::string_view text, std::size_t characters_max = 120);

}  // namespace impound::agent
