#include "agent/work/listed_sources.h"

#include <algorithm>

#include "agent/service/json_line.h"
#include "agent/service/terminal.h"
#include "agent/work/past.h"

namespace impound::agent {

namespace {

constexpr std::size_t listed_bytes_max = 8 * 1024;
constexpr std::size_t listed_text_max = 1000;

bool holds(std::vector<std::string> const& texts, std::string const& text) {
  return std::find(texts.begin(), texts.end(), text) != texts.end();
}

}  // namespace

std::string as_listed(std::string const& text) { return shown(text, listed_text_max); }

Json listed(std::vector<std::string> const& texts) {
  Json list = Json::array();
  std::size_t bytes = 0;
  for (std::string const& text : texts) {
    std::string const one = as_listed(text);
    bytes += json_line(one).size();  // with what JSON escapes
    if (list.size() == entry_list_max || bytes > listed_bytes_max) break;
    list.push_back(one);
  }
  return list;
}

std::vector<std::string> not_listed(std::vector<std::string> texts, std::vector<std::string> const& known) {
  std::erase_if(texts, [&](std::string const& text) { return holds(known, as_listed(text)); });
  return texts;
}

void keep_listed(std::vector<std::string>& texts, std::vector<std::string> const& known,
                 std::vector<std::string> const& first) {
  std::vector<std::string> fresh = not_listed(first, known);
  std::size_t const taken = fresh.size();
  for (std::string& text : not_listed(texts, known)) fresh.push_back(std::move(text));
  std::size_t const fit = listed(fresh).size();
  std::size_t room = fit > taken ? fit - taken : 0;
  std::erase_if(texts, [&](std::string const& text) {
    bool const stays = holds(known, as_listed(text)) || room > 0;
    if (stays && !holds(known, as_listed(text))) --room;
    return !stays;
  });
  std::vector<std::string> have;
  for (auto const& list : {texts, first})
    for (std::string const& text : list) have.push_back(as_listed(text));
  for (std::string const& text : known)
    if (!holds(have, text)) texts.push_back(text);
}

}  // namespace impound::agent
