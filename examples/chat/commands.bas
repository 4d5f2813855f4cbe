' What a line means that somebody has typed, and nothing else: no sockets, no printing, no state.
'
' commands.parse(line) returns a dictionary. Its "kind" is
'
'   "nothing"           the line is empty;
'   "say", "me"         something for all, in "text";
'   "nick"              a wish for another name, in "name", which is a proper one;
'   "who", "help"       a question;
'   "quit"              a farewell, with the last words in "text", which may be empty;
'   "wrong"             a mistake: "text" is what to tell whoever made it.
'
' A command begins with a slash. A message that shall begin with one begins with two. Commands may be
' typed in capitals. A name has 1 to 16 letters, digits, hyphens and underscores.

most_of_a_name = 16

help = "/nick NAME, /me DOES, /who, /quit [WORDS], /help; all else is for everybody"

' Is there a blank at place i, counted from 0?
DEF is_blank(text, i)
  IF i < 0 OR i >= LEN(text) THEN RETURN FALSE
  RETURN MID(text, i, 1) = " "
ENDDEF

' What stands between place i and place j.
DEF between(text, i, j)
  IF j <= i THEN RETURN ""
  RETURN MID(text, i, j - i)
ENDDEF

DEF trimmed(text)
  i = 0
  WHILE is_blank(text, i)
    i = i + 1
  WEND
  j = LEN(text)
  WHILE is_blank(text, j - 1)
    j = j - 1
  WEND
  RETURN between(text, i, j)
ENDDEF

' How long the first word is.
DEF word_length(text)
  i = 0
  WHILE i < LEN(text) AND NOT is_blank(text, i)
    i = i + 1
  WEND
  RETURN i
ENDDEF

' The same text with small letters for the capitals of ASCII.
DEF lower(text)
  result = ""
  FOR i = 0 TO LEN(text) - 1
    char = MID(text, i, 1)
    IF ASC(char) >= ASC("A") AND ASC(char) <= ASC("Z") THEN char = CHR(ASC(char) + 32)
    result = result + char
  NEXT
  RETURN result
ENDDEF

' May a name have this character?
DEF is_proper(char)
  code = ASC(lower(char))
  IF code >= ASC("a") AND code <= ASC("z") THEN RETURN TRUE
  IF code >= ASC("0") AND code <= ASC("9") THEN RETURN TRUE
  RETURN char = "-" OR char = "_"
ENDDEF

DEF wrong(text)
  RETURN DICT("kind", "wrong", "text", text)
ENDDEF

DEF nick(name)
  IF name = "" THEN RETURN wrong("/nick NAME: which name?")
  IF LEN(name) > most_of_a_name THEN
    RETURN wrong("a name has at most " + STR(most_of_a_name) + " characters")
  ENDIF
  FOR i = 0 TO LEN(name) - 1
    IF NOT is_proper(MID(name, i, 1)) THEN
      RETURN wrong("a name has letters, digits, - and _, but not '" + MID(name, i, 1) + "'")
    ENDIF
  NEXT
  RETURN DICT("kind", "nick", "name", name)
ENDDEF

DEF command(text)
  length = word_length(text)
  word = lower(between(text, 0, length))
  rest = trimmed(between(text, length, LEN(text)))
  IF word = "/nick" THEN RETURN nick(rest)
  IF word = "/quit" THEN RETURN DICT("kind", "quit", "text", rest)
  IF word = "/me" THEN
    IF rest = "" THEN RETURN wrong("/me DOES: what do you do?")
    RETURN DICT("kind", "me", "text", rest)
  ENDIF
  IF word = "/who" OR word = "/help" THEN
    IF rest <> "" THEN RETURN wrong(word + " takes no words")
    RETURN DICT("kind", between(word, 1, LEN(word)))
  ENDIF
  RETURN wrong("there is no " + word + ": /help tells what there is")
ENDDEF

DEF parse(line)
  text = trimmed(line)
  IF text = "" THEN RETURN DICT("kind", "nothing")
  IF LEFT(text, 1) <> "/" THEN RETURN DICT("kind", "say", "text", text)
  IF LEN(text) > 1 THEN
    IF MID(text, 1, 1) = "/" THEN
      RETURN DICT("kind", "say", "text", between(text, 1, LEN(text)))
    ENDIF
  ENDIF
  RETURN command(text)
ENDDEF

EXPOSE("commands.parse", parse)
EXPOSE("commands.help", help)
