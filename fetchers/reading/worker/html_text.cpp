#include "fetchers/reading/worker/html_text.h"

#include <libxml/HTMLparser.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace impound::fetchers {

namespace {

constexpr std::size_t block_bytes = 64u << 10;
constexpr std::size_t step_bytes = 4u << 10;  // given to the parser at once: how far it may run past a limit

constexpr std::size_t base_bytes_max = 2'048;

std::string_view text_of(xmlChar const* text) { return reinterpret_cast<char const*>(text); }

/// Elements that stand within a line: no space comes from their tags.
bool within_a_line(std::string_view name) {
  for (std::string_view const one : {"a",   "b",   "i",   "u",   "em", "strong", "span", "font", "code", "tt",  "small",
                                     "big", "sub", "sup", "wbr", "s",  "mark",   "abbr", "kbd",  "q",    "bdi", "bdo"})
    if (name == one) return true;
  return false;
}

/// Attributes that name or describe something; the rest is looks.
bool leads_nowhere(std::string_view name) {
  return name == "class" || name == "style" || name == "id" || name == "width" || name == "height";
}

}  // namespace

struct HtmlText::Parser {
  HtmlLimits limits;
  PartSink sink;
  htmlSAXHandler handler{};
  htmlParserCtxtPtr context = nullptr;
  std::string out;
  std::string base;
  std::uint64_t taken = 0;
  std::optional<Error> wrong;
  bool sink_failed = false;

  void stop(Error why) {
    if (!wrong) wrong = std::move(why);
    if (context != nullptr) ::xmlStopParser(context);
  }

  void put(std::string_view text) {
    out += text;
    if (out.size() >= block_bytes) flush();
  }

  void flush() {
    if (out.empty() || sink_failed) return;
    auto taken_in = sink(out);
    out.clear();
    sink_failed = !taken_in;
    if (sink_failed) stop(std::move(taken_in).error());
  }

  void attribute(std::string_view name, std::string_view value) {
    if (leads_nowhere(name) || value.empty() || value.size() > limits.attribute_bytes_max) return;
    bool const double_quoted = value.find('"') == std::string_view::npos;
    if (!double_quoted && value.find('\'') != std::string_view::npos) {
      put("\n");
      put(value);
      return put("\n");
    }
    char const quote = double_quoted ? '"' : '\'';
    std::string line{"\n"};
    line.append(name.substr(0, 100)).append("=") += quote;
    line.append(value) += quote;
    line += '\n';
    put(line);
  }

  static Parser& of(void* self) { return *static_cast<Parser*>(self); }

  static void started(void* self, xmlChar const* name, xmlChar const** attributes) {
    Parser& parser = of(self);
    if (parser.context != nullptr && parser.context->nameNr > parser.limits.depth_max)
      return parser.stop(Error{Code::refused, "the page's elements are too deeply nested", {}, {}});
    if (!within_a_line(text_of(name))) parser.put("\n");
    for (; attributes != nullptr && attributes[0] != nullptr; attributes += 2)
      if (attributes[1] != nullptr) {
        auto const value = text_of(attributes[1]);
        bool const is_base = text_of(name) == "base" && text_of(attributes[0]) == "href";
        if (is_base && parser.base.empty() && value.size() <= base_bytes_max) parser.base = value;
        parser.attribute(text_of(attributes[0]), value);
      }
  }
  static void ended(void* self, xmlChar const* name) {
    if (!within_a_line(text_of(name))) of(self).put("\n");
  }
  static void characters(void* self, xmlChar const* text, int size) {
    of(self).put({reinterpret_cast<char const*>(text), static_cast<std::size_t>(std::max(size, 0))});
  }
};

HtmlText::HtmlText(HtmlLimits const& limits, PartSink sink) : parser_(std::make_unique<Parser>()) {
  parser_->limits = limits;
  parser_->sink = std::move(sink);
  auto& handler = parser_->handler;
  handler.startElement = &Parser::started;
  handler.endElement = &Parser::ended;
  handler.characters = handler.ignorableWhitespace = handler.cdataBlock = &Parser::characters;
  parser_->context = ::htmlCreatePushParserCtxt(&handler, parser_.get(), nullptr, 0, nullptr, XML_CHAR_ENCODING_UTF8);
  if (parser_->context != nullptr)
    ::htmlCtxtUseOptions(parser_->context, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                               HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
}

HtmlText::~HtmlText() {
  if (parser_->context != nullptr) ::htmlFreeParserCtxt(parser_->context);
}

Result<void> HtmlText::write(std::string_view text) {
  if (parser_->context == nullptr) return Error{Code::io, "cannot make a parser of HTML", {}, {}};
  while (!text.empty() && !parser_->wrong) {
    auto const part = text.substr(0, step_bytes);
    text.remove_prefix(part.size());
    if (parser_->taken + part.size() > parser_->limits.bytes_max) {
      parser_->stop(Error{Code::refused, "the page is too long to be read as HTML to its end", {}, {}});
      break;
    }
    parser_->taken += part.size();
    ::htmlParseChunk(parser_->context, part.data(), static_cast<int>(part.size()), 0);
  }
  if (parser_->wrong) return *parser_->wrong;
  return ok();
}

std::string const& HtmlText::base() const { return parser_->base; }

Result<void> HtmlText::finish() {
  if (parser_->context != nullptr && !parser_->wrong) ::htmlParseChunk(parser_->context, "", 0, 1);
  parser_->flush();
  if (parser_->wrong) return *parser_->wrong;
  return ok();
}

}  // namespace impound::fetchers
