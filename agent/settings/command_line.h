// A command's line: its options by name, read into the places given. A thin face over CLI11, whose header would
// otherwise be compiled anew for every command (half a minute of each build).
//
// Values are written when the line is parsed; places must live until then. A wrong line ends in exit code 2 with one
// message.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace impound::agent {

/// One command, or the program itself.
class CommandLine {
 public:
  struct Parser;
  explicit CommandLine(std::shared_ptr<Parser> parser) : parser_(std::move(parser)) {}

  enum class Need { optional, required };
  /// "--name" or, without dashes, a positional.
  void option(std::string const& name, std::string& into, std::string const& help, Need need = Need::optional);
  /// The same, with only these values allowed.
  void choice(std::string const& name, std::string& into, std::string const& help,
              std::vector<std::string> const& allowed, Need need = Need::optional);
  /// "--name VALUE", as often as wanted.
  void repeated(std::string const& name, std::vector<std::string>& into, std::string const& help);
  /// Positionals, one or more when required.
  void positionals(std::string const& name, std::vector<std::string>& into, std::string const& help, Need need);
  void flag(std::string const& name, bool& into, std::string const& help);

 private:
  std::shared_ptr<Parser> parser_;
};

/// The program's line: its commands, and which one was chosen.
class ProgramLine {
 public:
  ProgramLine();
  /// `chosen` is called when the line names this command.
  CommandLine command(std::string const& name, std::string const& help, std::function<void()> chosen);
  /// "impound GROUP NAME": a command of a group, which group() has made.
  CommandLine command(std::string const& group, std::string const& name, std::string const& help,
                      std::function<void()> chosen);
  void group(std::string const& name, std::string const& help);
  /// 0 when a command was chosen; otherwise the program is to end with `exit`: --help and --version (0), a wrong line
  /// (2).
  struct Parsed {
    bool run = false;
    int exit = 0;
    std::string wrong;  // what is wrong with the line
    std::string asked;  // "impound fetch": whose --help tells more
  };
  Parsed parse(int argc, char** argv);

 private:
  struct Commands;
  std::shared_ptr<Commands> commands_;
};

}  // namespace impound::agent
