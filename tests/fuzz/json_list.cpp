// corpus: pastebin
// read_json_list: the items are keys of the site, each once, and their raw text is JSON again.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "evidence/values/must.h"
#include "fetchers/reading/worker/json_list.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  static SiteProfile const profile =
      read_site_profile(
          "name='x'\n[list]\npath='l'\nformat='json'\nkey='key'\ntitle='title'\nauthor='user'\ntime='date'\n"
          "[item]\npath='{key}'\nkey='[a-z0-9]{1,9}'\n",
          "x.toml")
          .value();
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  if (auto const list = read_json_list(text, profile, ListLimits{}))
    for (auto const& item : list.value().items) {
      impound::must(profile.is_key(item.key));
      impound::must(!nlohmann::json::parse(item.raw, nullptr, false).is_discarded());
    }
  return 0;
}
