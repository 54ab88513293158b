// What a person sees: status lines once a second on a terminal, plain lines elsewhere; all of it on stderr.
// Results of a command go to stdout and never through here. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
  /// The same in several lines on a terminal, made for `columns()`; `plain` elsewhere. What does not fit on the screen
  /// is counted.
  void status(std::vector<std::string> const& lines, std::string const& plain);
  /// It would be shown now: what is costly to put together can wait until then.
  bool status_due() const;
  /// Takes the status lines away, so that what comes next starts on a clean line.
  void clear();
  /// Of a line that shall not wrap.
  std::size_t columns() const;

 private:
  std::size_t rows() const;

  bool quiet_;
  bool terminal_;
  std::size_t drawn_ = 0;  // lines
  std::string last_;
  std::chrono::steady_clock::time_point next_{};
};

/// "9.7 MB", "1.2 GB": decimal units, as disks and downloads are counted.
std::string bytes_text(std::uint64_t bytes);

/// Foreign text for a terminal: control characters and bytes that are not UTF-8 become '?', at most `characters_max`.
std::string shown(std::string_view text, std::size_t characters_max = 120);

}  // namespace impound::agent
