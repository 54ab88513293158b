// corpus: pages texts magnets pastebin
// PageReading: whatever a page holds, in whatever encoding, with or without markup: references in bounds, text that is
// UTF-8, and messages that the other side takes.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/reading/worker/charset.h"
#include "fetchers/reading/worker/media_type.h"
#include "fetchers/reading/worker/page_reading.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  static bool const loaded = load_charsets() > 0 && load_media_types();
  impound::must(loaded);
  if (size < 1) return 0;
  constexpr char const* types[] = {"", "text/html", "text/plain; charset=utf-16", "text/html; charset=gb18030"};
  constexpr char const* profile =
      "name='x'\n[list]\npath='l'\nformat='json'\nkey='key'\n[item]\npath='{key}'\nkey='[a-z0-9]{1,9}'\n";
  std::string_view const text(reinterpret_cast<char const*>(bytes) + 1, size - 1);
  ReadPage wanted{1, text.size(), {}, {}};
  wanted.order.content_type = types[bytes[0] % 4];
  wanted.order.content_coding = (bytes[0] & 4) != 0 ? "gzip" : "";
  wanted.order.profile = profile;
  wanted.order.list = (bytes[0] & 8) != 0;
  wanted.limits.decoded_bytes_max = 1u << 20;
  FoundRows rows{1, {}};
  PageReading reading(wanted, [&](FoundReference one) {
    if (rows.rows.size() < rows_max) rows.rows.push_back(std::move(one));
  });
  reading.write(text);
  PageFacts facts = reading.finish();
  impound::must(facts.decoded_bytes <= wanted.limits.decoded_bytes_max);
  auto const frame = impound::encode_frame(to_frame(FromReader{PageRead{1, facts}}));
  impound::must(static_cast<bool>(frame));
  impound::must(static_cast<bool>(from_reader_from(to_frame(FromReader{rows}))));
  return 0;
}
