// The options that every command has, and how they meet the settings: a flag beats $IMPOUND_…, which beats the file.
#pragma once

#include <string>
#include <vector>

#include "agent/settings/command_line.h"
#include "agent/settings/settings.h"

namespace impound::agent {

struct CommonOptions {
  std::string vault;
  std::string config;
  std::string operator_name;
  std::vector<std::string> allow_net;
  std::string log_level = "warn";
  bool quiet = false;
};

/// Adds --vault, --config, --operator, --allow-net, --log-level and --quiet to a command.
void add_common_options(CommandLine& command, CommonOptions& options);

/// The settings a command works with. Code::usage for whatever is wrong in them.
Result<Settings> effective_settings(CommonOptions const& options);

/// "--timeout 10m" and its kin; Code::usage names the flag.
Result<std::chrono::seconds> duration_option(std::string const& flag, std::string const& text);

}  // namespace impound::agent
