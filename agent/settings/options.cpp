#include "agent/settings/options.h"

#include <cstdlib>
#include <string_view>

namespace impound::agent {

void add_common_options(CommandLine& command, CommonOptions& options) {
  command.option("--vault", options.vault, "the vault's folder (else $IMPOUND_VAULT, else the settings)");
  command.option("--config", options.config,
                 "the settings' file (else $IMPOUND_CONFIG, else the user's, else /etc/impound/impound.toml)");
  command.option("--operator", options.operator_name, "who works here, as the log shall name them");
  command.repeated("--allow-net", options.allow_net,
                   "lets content reach CIDR[:PORT] that the address table refuses; repeatable, logged");
  command.choice("--log-level", options.log_level, "what is logged on stderr (warn)",
                 {"error", "warn", "info", "debug"});
  command.flag("--quiet", options.quiet, "no progress on stderr");
}

Result<Settings> effective_settings(CommonOptions const& options) {
  IMPOUND_TRY(settings, load_settings(options.config));
  if (char const* const named = std::getenv("IMPOUND_VAULT"); named != nullptr && *named != '\0')
    settings.vault = named;
  if (!options.vault.empty()) settings.vault = options.vault;
  if (char const* const named = std::getenv("IMPOUND_OPERATOR"); named != nullptr && *named != '\0')
    settings.operator_name = named;
  if (!options.operator_name.empty()) settings.operator_name = options.operator_name;
  if (char const* const dht = std::getenv("IMPOUND_DHT"); dht != nullptr && std::string_view(dht) == "off")
    settings.dht = false;
  settings.allow_net.insert(settings.allow_net.end(), options.allow_net.begin(), options.allow_net.end());
  if (settings.user_agent.empty()) {
    settings.user_agent = "impound/" IMPOUND_VERSION;
    if (!settings.contact.empty()) settings.user_agent += " (" + settings.contact + ")";
  }
  return settings;
}

Result<std::chrono::seconds> duration_option(std::string const& flag, std::string const& text) {
  if (auto const parsed = parse_duration(text)) return *parsed;
  return Error{Code::usage, flag + " " + text + " is no duration", {}, "Write it as 90s, 10m, 6h or 2d"};
}

}  // namespace impound::agent
