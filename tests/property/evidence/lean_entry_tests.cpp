// The lean reader of entries against the document: over random entries, and over each of them damaged in every way that
// a few bytes can be. It may take less, never more, and never otherwise.
#include "evidence/verify/lean_entry.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "evidence/custody_entry.h"
#include "tests/support/counts.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_randomness.h"

using namespace impound;
using namespace impound::evidence;

namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 2 + 1) {}
  std::uint64_t below(std::uint64_t n) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 11) % n;
  }
  bool often() { return below(3) != 0; }

 private:
  std::uint64_t state_;
};

std::string random_text(Dice& dice) {
  static constexpr char const* pieces[] = {"a",         "leak", "\"",      "\\", "\n", "\x01",          "\x1f",
                                           "\x7f",      "/",    "é",       "写", "😀",  "\"sha256\":\"", "}",
                                           ",\"v\":1}", "0",    "\\u0041", "\b", "\t"};
  std::string text = "x";
  for (std::uint64_t i = dice.below(5); i > 0; --i) text += pieces[dice.below(std::size(pieces))];
  return text;
}

Json random_value(Dice& dice, unsigned depth) {
  switch (dice.below(depth > 3 ? 4 : 6)) {
    case 0: return random_text(dice);
    case 1: return dice.below(2) == 0;
    case 2: return static_cast<std::int64_t>(dice.below(2'000)) - 1'000;
    case 3: return dice.below(2) == 0 ? json_integer_max : -json_integer_max;
    case 4: {
      Json list = Json::array();
      for (std::uint64_t i = dice.below(4); i > 0; --i) list.push_back(random_value(dice, depth + 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (std::uint64_t i = dice.below(4); i > 0; --i)
        object[dice.below(8) == 0 ? random_text(dice) : std::string("k").append(std::to_string(dice.below(50)))] =
            random_value(dice, depth + 1);
      return object;
    }
  }
}

struct Made {
  std::string bytes;
  bool lean_must_take;  // nothing in it that is left to the document
};

Made random_entry(Dice& dice, EntryMaker& maker, FakeClock& clock, SeededRandomness& randomness) {
  EntryDraft draft;
  draft.kind = std::string(kinds()[dice.below(kinds().size())]);
  bool const plain = dice.below(4) == 0;
  draft.body = plain ? Json{{"path", "leak/1.eml"}, {"n", {1, -2, {{"deep", true}}}}} : random_value(dice, 0);
  if (!draft.body.is_object()) draft.body = Json{{"v", draft.body}};
  if (dice.often())
    draft.body["sha256"] = plain          ? Json(std::string(64, 'a'))
                           : dice.often() ? Json(std::string(64, 'a'))
                                          : random_value(dice, 2);
  if (dice.often())
    draft.body["size"] = plain          ? Json(dice.below(1u << 30))
                         : dice.often() ? Json(dice.below(1u << 30))
                                        : random_value(dice, 2);
  if (dice.often()) draft.case_name = CaseName::parse("emleaks-2017");
  if (dice.often()) draft.cause = EntryId::make(clock, randomness);
  if (dice.often()) draft.of = EntryId::make(clock, randomness);
  if (dice.often()) draft.by = By{dice.often() ? "anna" : "", dice.often() ? "Zoë \"N\"" : "", 1'000};
  auto const made = maker.make(draft);
  return {made ? made.value().bytes : std::string(), plain && made};
}

/// What is wrong; empty when the two readers agree.
std::string disagreement(std::string_view bytes) {
  auto const lean = read_lean_entry(bytes);
  if (!lean) return {};
  auto const document = read_entry(1, bytes);
  if (!document) return "taken, but " + document.error().what;
  ReadEntry const& entry = document.value();
  auto const same = [](std::optional<IdBytes> const& a, std::optional<EntryId> const& b) {
    return b ? a == read_id_bytes(b->text()) : !a;
  };
  if (lean->kind != entry.kind()) return "kind";
  if (!same(lean->id, entry.id()) || !same(lean->session, entry.session())) return "id";
  if (!same(lean->of, entry.of()) || !same(lean->cause, entry.cause())) return "of or cause";
  auto const text = entry.text("sha256");
  if (text ? *text != lean->sha256 && lean->sha256.find('\\') == std::string_view::npos : !lean->sha256.empty())
    return "sha256";
  if (lean->size != entry.number("size")) return "size";
  return {};
}

std::string damaged(std::string bytes, Dice& dice) {
  static constexpr char const* bits[] = {" ",
                                         "\"\"",
                                         "\"",
                                         "\\",
                                         "{",
                                         "}",
                                         ",",
                                         ":",
                                         "null",
                                         "1.5",
                                         "-0",
                                         "00",
                                         "e5",
                                         "\"a\":1,",
                                         "\xc3",
                                         "\xed\xa0\x80",
                                         "\\u0041",
                                         "\\u001F",
                                         "\\u0009",
                                         "\\/",
                                         "[[[[[[[[[[[[[[[[[",
                                         "9007199254740993",
                                         "true"};
  for (std::uint64_t i = 1 + dice.below(2); i > 0 && !bytes.empty(); --i) {
    std::size_t const at = dice.below(bytes.size());
    std::size_t const count = std::min<std::size_t>(dice.below(4), bytes.size() - at);
    switch (dice.below(6)) {
      case 0: bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8))); break;
      case 1: bytes.erase(at, count); break;
      case 2: bytes.insert(at, bits[dice.below(std::size(bits))]); break;
      case 3: bytes.replace(at, count, bits[dice.below(std::size(bits))]); break;
      case 4: {  // a text emptied
        std::size_t const open = bytes.find('"', at);
        std::size_t const end = open == std::string::npos ? open : bytes.find('"', open + 1);
        if (end != std::string::npos) bytes.erase(open + 1, end - open - 1);
        break;
      }
      default: bytes.insert(at, bytes.substr(dice.below(bytes.size()), dice.below(40))); break;
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("P2: the lean reader of entries takes nothing that the document refuses, and reads it alike") {
  FakeClock clock;
  SeededRandomness randomness{11};
  EntryMaker maker{clock, randomness};
  maker.session(EntryId::make(clock, randomness));
  std::uint64_t const entries = full_counts() ? 20'000 : 2'000;
  std::uint64_t taken = 0;
  std::uint64_t damaged_and_taken = 0;
  for (std::uint64_t seed = 1; seed <= entries; ++seed) {
    Dice dice(seed);
    clock.advance(1'234'567'890 * static_cast<std::int64_t>(dice.below(1'000)));
    Made const made = random_entry(dice, maker, clock, randomness);
    if (made.bytes.empty()) continue;
    INFO("seed " << seed << ": " << made.bytes);
    REQUIRE(disagreement(made.bytes) == "");
    bool const lean = read_lean_entry(made.bytes).has_value();
    if (lean) ++taken;
    bool const day_of_every_month = made.bytes.find("-29T") == std::string::npos &&
                                    made.bytes.find("-30T") == std::string::npos &&
                                    made.bytes.find("-31T") == std::string::npos;
    if (made.lean_must_take && day_of_every_month) REQUIRE(lean);
    for (int i = 0; i < 100; ++i) {
      std::string const other = damaged(made.bytes, dice);
      std::string const fault = disagreement(other);
      INFO(other);
      REQUIRE(fault == "");
      if (read_lean_entry(other)) ++damaged_and_taken;
    }
  }
  MESSAGE(taken, " of ", entries, " entries read lean, ", damaged_and_taken, " damaged ones still entries");
  CHECK(taken > entries / 3);
  CHECK(damaged_and_taken > 100);
}
