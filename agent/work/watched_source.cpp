#include "agent/work/watched_source.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "agent/work/places.h"

namespace impound::agent {

namespace {

/// Where profiles lie: beside a build in its source tree, or installed.
std::vector<std::string> profile_places(std::string const& name) {
  if (name.ends_with(".toml")) return {name};
  std::string const file = "/sites/" + name + ".toml";
  std::string const own = own_folder();
  return {"/etc/impound" + file, own + "/../../config" + file, own + "/../share/impound" + file,
          "/usr/share/impound" + file};
}

}  // namespace

Result<WatchedSource> watched_source(SourceSettings const& settings) {
  std::string const wanted = "Give a file of config/sites by name, or the path of one that ends in .toml";
  for (std::string const& place : profile_places(settings.profile)) {
    std::ifstream in(place, std::ios::binary);
    if (!in) continue;
    std::ostringstream text;
    text << in.rdbuf();
    IMPOUND_TRY(profile, fetchers::read_site_profile(text.str(), place));
    std::string const base_text = !settings.base_url.empty() ? settings.base_url : profile.base_url.value_or("");
    if (base_text.empty())
      return Error{Code::usage, "source " + settings.name + " has no base_url, and its profile names none", place, {}};
    auto base = fetchers::Url::parse(base_text);
    if (!base)
      return Error{Code::usage, "base_url of source " + settings.name + ": " + base.error().what, base_text, {}};
    return WatchedSource{settings, std::move(profile), std::move(base).value()};
  }
  return Error{Code::usage, "there is no profile " + settings.profile + " for source " + settings.name,
               settings.profile, wanted};
}

}  // namespace impound::agent
