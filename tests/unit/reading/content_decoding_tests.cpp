#include "fetchers/reading/worker/content_decoding.h"

#include <brotli/encode.h>
#include <doctest/doctest.h>
#include <zstd.h>

#include <string>

#include "tests/unit/reading/deflated.h"

using namespace impound;
using namespace impound::fetchers;
using impound::fetchers::test::deflated;

namespace {

std::string brotli(std::string_view text) {
  std::string out(text.size() + 1024, '\0');
  std::size_t size = out.size();
  REQUIRE(::BrotliEncoderCompress(5, 22, BROTLI_MODE_GENERIC, text.size(),
                                  reinterpret_cast<std::uint8_t const*>(text.data()), &size,
                                  reinterpret_cast<std::uint8_t*>(out.data())) == BROTLI_TRUE);
  out.resize(size);
  return out;
}

std::string zstd(std::string_view text) {
  std::string out(::ZSTD_compressBound(text.size()), '\0');
  out.resize(::ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Decoded {
  std::string text;
  DecodingFault fault = DecodingFault::none;
};

DecodingLimits patient() {
  DecodingLimits limits;
  limits.end = std::chrono::steady_clock::now() + std::chrono::minutes{5};
  return limits;
}

Decoded decoded(std::string_view codings, std::string_view bytes, std::size_t step, DecodingLimits limits = patient()) {
  Decoded out;
  ContentDecoder decoder{codings, limits, [&](std::string_view part) -> Result<void> {
                           out.text += part;
                           return ok();
                         }};
  bool good = true;
  for (std::size_t at = 0; at < bytes.size() && good; at += step)
    good = static_cast<bool>(decoder.write(bytes.substr(at, step)));
  if (good) static_cast<void>(decoder.finish());
  out.fault = decoder.fault();
  CHECK(decoder.bytes() == out.text.size());
  return out;
}

std::string sample() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * 7919 % 10007) + "\n";
  return text;
}

}  // namespace

TEST_CASE("every coding, alone and stacked, gives the text back however it is cut") {
  std::string const text = sample();
  struct Row {
    char const* codings;
    std::string bytes;
  };
  for (Row const& row :
       {Row{"", text}, Row{"identity", text}, Row{"gzip", deflated(text, 31)}, Row{" X-GZIP ", deflated(text, 31)},
        Row{"deflate", deflated(text, 15)}, Row{"deflate", deflated(text, -15)}, Row{"br", brotli(text)},
        Row{"zstd", zstd(text)}, Row{"gzip, br", brotli(deflated(text, 31))},
        Row{"br,gzip", deflated(brotli(text), 31)}, Row{"deflate, zstd, gzip", deflated(zstd(deflated(text, 15)), 31)},
        Row{"gzip", deflated(text.substr(0, 1000), 31) + deflated(text.substr(1000), 31)},
        Row{"zstd", zstd(text.substr(0, 1000)) + zstd(text.substr(1000))},
        Row{"gzip", deflated(text, 31) + "bytes behind the end"}}) {
    for (std::size_t const step : {std::size_t{1}, std::size_t{1'000}, std::size_t{1} << 20}) {
      CAPTURE(row.codings);
      CAPTURE(step);
      auto const out = decoded(row.codings, row.bytes, step);
      CHECK(out.fault == DecodingFault::none);
      CHECK(out.text == text);
    }
  }
}

TEST_CASE("P6: what is broken, cut off or unknown is said, and what came before it is given") {
  std::string const text = sample();
  for (std::string const& name : {std::string("gzip"), std::string("br"), std::string("zstd")}) {
    CAPTURE(name);
    std::string const whole = name == "gzip" ? deflated(text, 31) : name == "br" ? brotli(text) : zstd(text);
    auto const cut = decoded(name, std::string_view(whole).substr(0, whole.size() / 2), 4096);
    CHECK(cut.fault == DecodingFault::cut_off);
    CHECK(text.starts_with(cut.text));
    CHECK(decoded(name, "this is no such thing at all, is it?", 4096).fault == DecodingFault::broken);
  }
  CHECK(decoded("compress", "x", 1).fault == DecodingFault::unknown_coding);
  CHECK(decoded("gzip,gzip,gzip,gzip,gzip", "x", 1).fault == DecodingFault::unknown_coding);
  CHECK(decoded("gzip", "", 1).fault == DecodingFault::none);
}

TEST_CASE("P6: a bomb is refused by bytes, by ratio, by depth and by time") {
  std::string const zeros(64u << 20, '\0');
  std::string const bomb = deflated(zeros, 31);
  CHECK(bomb.size() < 100'000);
  auto const blown = decoded("gzip", bomb, 65'536);
  CHECK(blown.fault == DecodingFault::ratio);
  CHECK(blown.text.size() <= patient().ratio_from + 65'536 * patient().ratio_max);
  auto limits = patient();
  limits.bytes_max = 1'000'000;
  for (auto const& [name, bytes] :
       {std::pair{std::string("gzip"), bomb}, {"br", brotli(zeros)}, {"zstd", zstd(zeros)}}) {
    auto const large = decoded(name, bytes, 65'536, limits);
    CHECK(large.fault == DecodingFault::too_large);
    CHECK(large.text.size() <= limits.bytes_max);
  }
  CHECK(decoded("gzip,gzip", deflated(bomb, 31), 65'536).fault == DecodingFault::ratio);
  CHECK(decoded("", std::string(2'000'000, 'x'), 65'536, limits).fault == DecodingFault::too_large);
  limits = patient();
  limits.end = std::chrono::steady_clock::now() - std::chrono::seconds{1};
  CHECK(decoded("gzip", bomb, 65'536, limits).fault == DecodingFault::time);
  CHECK(decoded("", "text", 65'536, limits).fault == DecodingFault::time);
}
