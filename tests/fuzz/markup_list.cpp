// corpus: lists pages
// read_markup_list, as XML and as HTML: no more than it may hold, and the items are keys of the site.
#include <cstddef>
#include <cstdint>
#include <string>

#include "evidence/values/must.h"
#include "fetchers/reading/worker/markup_list.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  static auto const profile = [](std::string const& format) {
    return read_site_profile("name='x'\n[list]\npath='l'\nformat='" + format +
                                 "'\nitems='//*[@href or @id or self::item]'\nkey='(@href|@id|guid|title)[1]'\n"
                                 "key_part='([a-z0-9]{1,9})'\ntitle='.'\nauthor='@class'\ntime='*[last()]'\n"
                                 "[item]\npath='{key}'\nkey='[a-z0-9]{1,9}'\n",
                             "x.toml")
        .value();
  };
  static SiteProfile const xml = profile("xml");
  static SiteProfile const html = profile("html");
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  ListLimits limits;
  limits.steps_max = 200'000;
  for (SiteProfile const* const one : {&xml, &html})
    if (auto const list = read_markup_list(text, *one, limits))
      for (auto const& item : list.value().items) impound::must(one->is_key(item.key));
  return 0;
}
