#include "manual/roff.h"

#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace shmemd::manual {
namespace {

constexpr size_t kLineBytes = 76;

// What stands for a character of source in roff; empty: itself. `exact`: text to be copied from the page,
// where typographic forms of quotes and dashes would be wrong.
std::string_view EscapeOf(char c, bool exact) {
  switch (c) {
    case '\\':
      return "\\e";
    case '~':
      return "\\(ti";
    case '^':
      return "\\(ha";
    case '`':
      return "\\(ga";
    case '-':
      return exact ? "\\-" : "";
    case '\'':
      return exact ? "\\(aq" : "";
    default:
      return "";
  }
}

// The code point that begins at `at`, which is moved behind it. The text is our own, so it is UTF-8.
uint32_t NextCodePoint(std::string_view text, size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  uint32_t code = lead & (0x3fU >> static_cast<unsigned>(more));
  for (int i = 0; i < more && at < text.size(); ++i) {
    code = code << 6U | (static_cast<unsigned char>(text[at++]) & 0x3fU);
  }
  return code;
}

std::string Escape(std::string_view text, bool exact) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const uint32_t code = NextCodePoint(text, at);
    if (code >= 0x80) {
      std::array<char, 16> name{};
      std::snprintf(name.data(), name.size(), "\\[u%04X]", code);
      out += name.data();
      continue;
    }
    const char c = static_cast<char>(code);
    const std::string_view escape = EscapeOf(c, exact);
    escape.empty() ? out += c : out.append(escape);
  }
  return out;
}

// A flag, path, key or number, not a word of a sentence.
bool IsExact(std::string_view word) {
  const size_t begin = std::min(word.find_first_not_of("([{\"'"), word.size());
  return word.substr(begin).starts_with('-') || word.find_first_of("/=_:{}") < word.size() - 1;
}

// A line of text that is not taken for a macro.
std::string Guarded(std::string line) {
  if (line.starts_with('.') || line.starts_with('\'')) line.insert(0, "\\&");
  return line;
}

// "shmemd(8)," is set as another page's name.
bool IsPage(std::string_view word) {
  const size_t open = word.find('(');
  return open != 0 && open + 2 < word.size() && word[open + 1] >= '1' && word[open + 1] <= '8' &&
         word[open + 2] == ')';
}

std::string WordOf(std::string_view word) {
  if (!IsPage(word)) return Escape(word, IsExact(word));
  const size_t open = word.find('(');
  return "\\fB" + Escape(word.substr(0, open), true) + "\\fR" + std::string(word.substr(open));
}

std::vector<std::string_view> WordsOf(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t begin = std::min(text.find_first_not_of(" \n"), text.size());
    const size_t end = std::min(text.find_first_of(" \n", begin), text.size());
    if (begin < end) words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return words;
}

// Words in lines of moderate length; where a sentence ends, the line does, as roff wants it.
std::string Filled(std::string_view text) {
  std::string out;
  std::string line;
  const auto flush = [&] {
    if (!line.empty()) out += Guarded(std::exchange(line, {})) + "\n";
  };
  for (const std::string_view word : WordsOf(text)) {
    const std::string escaped = WordOf(word);
    if (!line.empty() && line.size() + 1 + escaped.size() > kLineBytes) flush();
    if (!line.empty()) line += ' ';
    line += escaped;
    if (word.ends_with('.') && word != "e.g.") flush();
  }
  flush();
  return out;
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : Escape(text, true)) c == '"' ? out += "\\(dq" : out += c;
  return out += '"';
}

}  // namespace

Roff::Roff(std::string_view title, int section, std::string_view date, std::string_view source,
           std::string_view manual) {
  Raw(".TH " + Quoted(title) + " " + std::to_string(section) + " " + std::string(date) + " " +
      Quoted(source) + " " + Quoted(manual));
  Raw(".nh");  // no hyphenation: names are to be found by searching
  Raw(".ad l");
}

void Roff::Raw(std::string_view line) {
  source_.append(line);
  source_ += '\n';
  is_after_heading_ = false;
}

void Roff::Break() {
  if (!is_after_heading_) Raw(".PP");
  is_after_heading_ = false;
}

void Roff::Heading(std::string_view title) {
  std::string upper;
  for (const char c : title) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  Raw(".SH " + Quoted(upper));
  is_after_heading_ = true;
}

void Roff::Subheading(std::string_view title) {
  Raw(".SS " + Quoted(title));
  is_after_heading_ = true;
}

void Roff::Paragraph(std::string_view text) {
  Break();
  source_ += Filled(text);
}

void Roff::Item(const std::string& term, std::string_view what) {
  Raw(".TP");
  Raw(Guarded(term));
  source_ += Filled(what);
}

void Roff::Verbatim(std::string_view lines) {
  Break();
  Raw(".RS 4");
  Raw(".EX");
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    Raw(line.empty() ? "\\&" : Guarded(Escape(line, true)));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  Raw(".EE");
  Raw(".RE");
}

void Roff::Blocks(const std::vector<Block>& blocks) {
  for (const Block& block : blocks) {
    if (!block.paragraph.empty()) Paragraph(block.paragraph);
    for (const auto& [term, what] : block.items) Item(Literal(term), what);
    if (!block.verbatim.empty()) Verbatim(block.verbatim);
  }
}

std::string Roff::Literal(std::string_view text) { return "\\fB" + Escape(text, true) + "\\fR"; }

std::string Roff::Placeholder(std::string_view text) { return "\\fI" + Escape(text, true) + "\\fR"; }

}  // namespace shmemd::manual
