#include "agent/settings/command_line.h"

#include <CLI/CLI.hpp>

namespace impound::agent {

namespace {

char const* const exit_codes =
    "Exit codes: 0 done, or held already; 1 understood but failed (unreachable, partial, not verified, not writable,\n"
    "disk full; of several targets the worst); 2 wrong usage, target or settings; 3 another process holds the vault;\n"
    "130 fetch was interrupted, its state is kept. Treat an unknown code as failure.";

}  // namespace

struct CommandLine::Parser {
  CLI::App* command;
  static void need(CLI::Option* option, Need need) {
    if (need == Need::required) option->required();
  }
};

struct ProgramLine::Commands {
  CLI::App program{
      "impound takes into custody what leaks: pastes, the torrents they name, and proof that nothing was changed "
      "since.",
      "impound"};
};

void CommandLine::option(std::string const& name, std::string& into, std::string const& help, Need need) {
  Parser::need(parser_->command->add_option(name, into, help), need);
}

void CommandLine::choice(std::string const& name, std::string& into, std::string const& help,
                         std::vector<std::string> const& allowed, Need need) {
  Parser::need(parser_->command->add_option(name, into, help)->check(CLI::IsMember(allowed)), need);
}

void CommandLine::repeated(std::string const& name, std::vector<std::string>& into, std::string const& help) {
  parser_->command->add_option(name, into, help)->allow_extra_args(false);
}

void CommandLine::positionals(std::string const& name, std::vector<std::string>& into, std::string const& help,
                              Need need) {
  Parser::need(parser_->command->add_option(name, into, help), need);
}

void CommandLine::flag(std::string const& name, bool& into, std::string const& help) {
  parser_->command->add_flag(name, into, help);
}

ProgramLine::ProgramLine() : commands_(std::make_shared<Commands>()) {
  commands_->program.set_version_flag("--version", "impound " IMPOUND_VERSION);
  commands_->program.require_subcommand(1);
  commands_->program.footer(exit_codes);
}

CommandLine ProgramLine::command(std::string const& name, std::string const& help, std::function<void()> chosen) {
  CLI::App* const command = commands_->program.add_subcommand(name, help);
  command->footer(exit_codes);
  command->callback(std::move(chosen));
  return CommandLine{std::make_shared<CommandLine::Parser>(CommandLine::Parser{command})};
}

void ProgramLine::group(std::string const& name, std::string const& help) {
  CLI::App* const group = commands_->program.add_subcommand(name, help);
  group->require_subcommand(1);
  group->footer(exit_codes);
}

CommandLine ProgramLine::command(std::string const& group, std::string const& name, std::string const& help,
                                 std::function<void()> chosen) {
  CLI::App* const command = commands_->program.get_subcommand(group)->add_subcommand(name, help);
  command->footer(exit_codes);
  command->callback(std::move(chosen));
  return CommandLine{std::make_shared<CommandLine::Parser>(CommandLine::Parser{command})};
}

ProgramLine::Parsed ProgramLine::parse(int argc, char** argv) {
  CLI::App& program = commands_->program;
  try {
    program.parse(argc, argv);
    return {.run = true, .exit = 0, .wrong = {}, .asked = {}};
  } catch (CLI::ParseError const& ended) {
    if (ended.get_exit_code() == 0) return {.run = false, .exit = program.exit(ended), .wrong = {}, .asked = {}};
    std::string asked = "impound";
    for (CLI::App const* one : program.get_subcommands()) {
      asked += " " + one->get_name();
      for (CLI::App const* in_group : one->get_subcommands()) asked += " " + in_group->get_name();
    }
    return {.run = false, .exit = 2, .wrong = ended.what(), .asked = std::move(asked)};
  }
}

}  // namespace impound::agent
