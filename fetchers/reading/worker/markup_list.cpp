#include "fetchers/reading/worker/markup_list.h"

#include <libxml/HTMLparser.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

namespace impound::fetchers {

namespace {

template <auto Free>
struct FreeBy {
  template <class What>
  void operator()(What* what) const {
    Free(what);
  }
};
using Document = std::unique_ptr<xmlDoc, FreeBy<xmlFreeDoc>>;
using Context = std::unique_ptr<xmlXPathContext, FreeBy<xmlXPathFreeContext>>;
using Expression = std::unique_ptr<xmlXPathCompExpr, FreeBy<xmlXPathFreeCompExpr>>;
using Value = std::unique_ptr<xmlXPathObject, FreeBy<xmlXPathFreeObject>>;

constexpr struct {
  char const* prefix;
  char const* name;
} known_namespaces[] = {{"atom", "http://www.w3.org/2005/Atom"},
                        {"rss", "http://purl.org/rss/1.0/"},
                        {"rdf", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"},
                        {"dc", "http://purl.org/dc/elements/1.1/"},
                        {"content", "http://purl.org/rss/1.0/modules/content/"},
                        {"media", "http://search.yahoo.com/mrss/"},
                        {"torrent", "http://xmlns.ezrss.it/0.1/"}};

xmlChar const* xml_text(char const* text) { return reinterpret_cast<xmlChar const*>(text); }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blank = " \t\r\n\f";
  auto const begin = text.find_first_not_of(blank);
  return begin == text.npos ? std::string_view{} : text.substr(begin, text.find_last_not_of(blank) - begin + 1);
}

void say_nothing(void*, xmlErrorPtr) {}

Result<Document> parsed(std::string_view body, ListFormat format, ListLimits const& limits) {
  if (body.size() > limits.bytes_max) return refused_list("it is too long");
  auto const tags = static_cast<std::size_t>(std::count(body.begin(), body.end(), '<'));
  if (tags > limits.values_max) return refused_list("it holds too many tags");
  // Entities of its own could make much of little wherever they are put in, and no feed needs them.
  if (body.find("<!ENTITY") != body.npos) return refused_list("it declares entities");
  int const size = static_cast<int>(body.size());
  constexpr int quiet = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_COMPACT;
  Document document{format == ListFormat::xml
                        ? ::xmlReadMemory(body.data(), size, nullptr, "UTF-8", quiet | XML_PARSE_NOCDATA)
                        : ::htmlReadMemory(body.data(), size, nullptr, "UTF-8",
                                           HTML_PARSE_NONET | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                               HTML_PARSE_COMPACT | HTML_PARSE_RECOVER)};
  if (!document || ::xmlDocGetRootElement(document.get()) == nullptr)
    return malformed_list(format == ListFormat::xml ? "it is no XML" : "it is no HTML");
  return document;
}

/// The profile's expressions over one document.
class Expressions {
 public:
  Expressions(xmlDocPtr document, ListLimits const& limits)
      : context_(::xmlXPathNewContext(document)), root_(::xmlDocGetRootElement(document)) {
    if (!context_) return;
    context_->opLimit = limits.steps_max;
    context_->error = say_nothing;
    for (auto const& one : known_namespaces)
      ::xmlXPathRegisterNs(context_.get(), xml_text(one.prefix), xml_text(one.name));
  }

  Result<Expression> compiled(std::string const& text, char const* of) {
    Expression expression{context_ ? ::xmlXPathCtxtCompile(context_.get(), xml_text(text.c_str())) : nullptr};
    if (!expression) return malformed_list(std::string("the profile's list.") + of + " is no XPath expression");
    return expression;
  }

  Result<Value> value(Expression const& expression, xmlNodePtr from) {
    context_->node = from != nullptr ? from : root_;
    Value value{::xmlXPathCompiledEval(expression.get(), context_.get())};
    if (!value) return refused_list("the profile's expressions take too much of it, or cannot be answered by it");
    return value;
  }

 private:
  Context context_;
  xmlNodePtr root_;
};

struct Fields {
  std::optional<Expression> key, title, author, time;
};

Result<std::string> field(Expressions& expressions, std::optional<Expression> const& expression, xmlNodePtr item) {
  if (!expression) return std::string{};
  IMPOUND_TRY(value, expressions.value(*expression, item));
  std::unique_ptr<xmlChar, FreeBy<[](xmlChar* text) { ::xmlFree(text); }>> const text{
      ::xmlXPathCastToString(value.get())};
  if (!text) return refused_list("there is no memory for one of its fields");
  return std::string(trimmed(reinterpret_cast<char const*>(text.get())));
}

}  // namespace

Result<ItemList> read_markup_list(std::string_view body, SiteProfile const& profile, ListLimits const& limits) {
  ListProfile const& list = profile.list;
  IMPOUND_TRY(document, parsed(body, list.format, limits));
  Expressions expressions{document.get(), limits};
  IMPOUND_TRY(items, expressions.compiled(list.items, "items"));
  Fields fields;
  struct Wanted {
    std::string const& text;
    char const* name;
    std::optional<Expression>& into;
  };
  for (Wanted const& one : {Wanted{list.key, "key", fields.key},
                            {list.title, "title", fields.title},
                            {list.author, "author", fields.author},
                            {list.time, "time", fields.time}}) {
    if (one.text.empty()) continue;
    IMPOUND_TRY(compiled, expressions.compiled(one.text, one.name));
    one.into = std::move(compiled);
  }
  IMPOUND_TRY(found, expressions.value(items, nullptr));
  if (found->type != XPATH_NODESET) return malformed_list("the profile's list.items names no elements");
  int const count = found->nodesetval == nullptr ? 0 : found->nodesetval->nodeNr;
  ItemListing listing{profile, limits};
  IMPOUND_CHECK(listing.check_count(static_cast<std::size_t>(count)));
  for (int i = 0; i < count; ++i) {
    xmlNodePtr const item = found->nodesetval->nodeTab[i];
    if (item->type == XML_NAMESPACE_DECL) continue;  // no node: libxml2 puts another thing in its place
    IMPOUND_TRY(key, field(expressions, fields.key, item));
    IMPOUND_TRY(title, field(expressions, fields.title, item));
    IMPOUND_TRY(author, field(expressions, fields.author, item));
    IMPOUND_TRY(time, field(expressions, fields.time, item));
    listing.add({std::move(key), std::move(title), std::move(author), std::move(time)});
  }
  return listing.finish();
}

}  // namespace impound::fetchers
