#include "agent/service/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "agent/service/progress_line.h"
#include "evidence/formats/utf8.h"

namespace impound::agent {

namespace {

constexpr std::size_t columns_unknown = 80;
constexpr std::size_t status_lines_max = 12;

/// Characters that would write over what stands there, or turn its direction: C0, C1, bidi controls, line separators.
bool harmful(std::string_view one) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(one[i]); };
  if (one.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
  if (one.size() == 2) return byte(0) == 0xc2 && byte(1) < 0xa0;
  if (one.size() == 3 && byte(0) == 0xe2)
    return (byte(1) == 0x80 && (byte(2) >= 0xa8 || (byte(2) >= 0x8b && byte(2) <= 0x8f))) ||
           (byte(1) == 0x81 && byte(2) >= 0xa0 && byte(2) <= 0xaf);
  return false;
}

}  // namespace

std::string shown(std::string_view text, std::size_t characters_max) {
  std::string safe;
  for (std::size_t count = 0; !text.empty(); ++count) {
    if (count == characters_max) return safe + "…";
    std::size_t const length = first_character(text).bytes;
    std::string_view const one = text.substr(0, length == 0 ? 1 : length);
    if (length == 0 || harmful(one))
      safe += '?';
    else
      safe += one;
    text.remove_prefix(one.size());
  }
  return safe;
}

std::string bytes_text(std::uint64_t bytes) {
  static constexpr char const* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1000 && unit < 5; ++unit) amount /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
  return text;
}

Terminal::Terminal(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

Terminal::~Terminal() { clear(); }

std::size_t Terminal::columns() const {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return columns_unknown;
  return size.ws_col > 1 ? size.ws_col - 1u : 1u;  // in the last one some terminals begin a new line
}

std::size_t Terminal::rows() const {
  winsize size{};
  bool const known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
  return std::max<std::size_t>(1, std::min<std::size_t>(status_lines_max, known ? size.ws_row / 2u : 1u));
}

void Terminal::clear() {
  if (drawn_ == 0) return;
  if (drawn_ > 1) std::fprintf(stderr, "\x1b[%zuA", drawn_ - 1);
  std::fputs("\r\x1b[J", stderr);
  drawn_ = 0;
}

void Terminal::say(std::string const& text) {
  if (quiet_) return;
  clear();
  std::string const line = shown(text, 400) + "\n";
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

bool Terminal::status_due() const { return !quiet_ && std::chrono::steady_clock::now() >= next_; }

void Terminal::status(std::string const& text) { status({text}, text); }

void Terminal::status(std::vector<std::string> const& lines, std::string const& plain) {
  if (!status_due() || (!terminal_ && plain == last_)) return;
  last_ = plain;
  next_ = std::chrono::steady_clock::now() + (terminal_ ? std::chrono::seconds{1} : std::chrono::seconds{10});
  if (!terminal_) {
    std::fprintf(stderr, "%s\n", shown(plain, 400).c_str());
    return;
  }
  clear();
  std::size_t const all = rows();
  std::size_t const count = lines.size() > all ? all - 1 : lines.size();
  std::string text;
  auto const add = [&](std::string const& line) {
    text += (drawn_++ > 0 ? "\n" : "") + cut_to_columns(shown(line, 400), columns());
  };
  for (std::size_t i = 0; i < count; ++i) add(lines[i]);
  if (count < lines.size()) add("and " + std::to_string(lines.size() - count) + " more");
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace impound::agent
