#include "evidence/verify/verdict.h"

#include <utility>

#include "evidence/formats/base64.h"

namespace impound::evidence {

std::string_view word(What what) {
  switch (what) {
    case What::altered: return "altered";
    case What::missing: return "missing";
    case What::added: return "added";
    case What::unlogged: return "unlogged";
    case What::unsigned_: return "unsigned";
    case What::rolled_back: return "rolled_back";
    case What::forked: return "forked";
    case What::malformed: return "malformed";
    case What::untrusted: return "untrusted";
    case What::time: return "time";
  }
  return "malformed";
}

void Verdict::add(What what, std::string where, std::string detail) {
  if (problems.size() < problems_max)
    problems.push_back({what, printable(where), printable(detail)});
  else
    ++problems_not_listed;
}

void Verdict::add_erased(std::string what, std::string where, std::uint64_t by_entry) {
  Erased one{std::move(what), std::move(where), by_entry};
  if (erased.size() < problems_max)
    erased.push_back(std::move(one));
  else
    ++erased_not_listed;
}

Json Verdict::to_json() const {
  Json listed = Json::array();
  for (Problem const& problem : problems)
    listed.push_back({{"what", word(problem.what)}, {"where", problem.where}, {"detail", problem.detail}});
  Json holes = Json::array();
  for (Erased const& one : erased)
    holes.push_back({{"what", one.what}, {"where", one.where}, {"by_entry", one.by_entry}});
  return Json{{"ok", ok()},
              {"entries", entries},
              {"exhibits", exhibits},
              {"objects", objects},
              {"objects_named", objects_named},
              {"captures", captures},
              {"records", records},
              {"records_named", records_named},
              {"bytes", bytes},
              {"checkpoint", {{"size", checkpoint_size}, {"root", base64(checkpoint_root.bytes)}}},
              {"timestamps", timestamps},
              {"problems", std::move(listed)},
              {"problems_not_listed", problems_not_listed},
              {"erased", std::move(holes)},
              {"erased_not_listed", erased_not_listed},
              {"notes", notes},
              {"not_checked", not_checked}};
}

std::string printable(std::string_view bytes) {
  bool const text = is_utf8(bytes);
  std::string safe;
  for (char const c : bytes) {
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f && (byte < 0x80 || text)) {
      safe += c;
      continue;
    }
    constexpr char const* digits = "0123456789abcdef";
    safe += "\\x";
    safe += digits[byte >> 4];
    safe += digits[byte & 15];
  }
  return safe;
}

}  // namespace impound::evidence
