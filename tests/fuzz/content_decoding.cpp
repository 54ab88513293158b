// corpus: pages
// ContentDecoder: the first byte says which codings, the second how the rest is cut; limits hold whatever comes.
#include <cstddef>
#include <cstdint>

#include "evidence/values/must.h"
#include "fetchers/reading/worker/content_decoding.h"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  using namespace impound::fetchers;
  if (size < 2) return 0;
  constexpr char const* codings[] = {"gzip", "deflate", "br", "zstd", "gzip, gzip", "br, zstd", "deflate, br", ""};
  std::string_view text(reinterpret_cast<char const*>(bytes) + 2, size - 2);
  std::size_t const step = bytes[1] + 1u;
  DecodingLimits limits;
  limits.bytes_max = 1u << 20;
  limits.ratio_from = 1u << 16;
  limits.end = std::chrono::steady_clock::now() + std::chrono::seconds{5};
  std::uint64_t out = 0;
  ContentDecoder decoder(codings[bytes[0] % 8], limits, [&](std::string_view part) -> impound::Result<void> {
    out += part.size();
    return impound::ok();
  });
  bool good = true;
  for (std::size_t at = 0; at < text.size() && good; at += step)
    good = static_cast<bool>(decoder.write(text.substr(at, step)));
  if (good) static_cast<void>(decoder.finish());
  impound::must(out == decoder.bytes() && out <= limits.bytes_max);
  return 0;
}
