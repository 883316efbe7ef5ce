namespace Llama.Gateway.Api.Tools;

/// <summary>Finds where a JSON value ends, character by character. What is between the brackets is not looked at.</summary>
internal struct JsonSpan
{
    private int depth;
    private bool inText;
    private bool isEscaped;
    private bool hasBegun;

    /// <summary>Takes a character.</summary>
    /// <param name="character">The character.</param>
    /// <returns>
    /// Whether it ends the value: the last bracket or quote does; a number or a word ends before the comma or bracket that follows, which is
    /// not taken (<paramref name="isPart"/>).
    /// </returns>
    /// <param name="isPart">Whether the character belongs to the value.</param>
    public bool Take(char character, out bool isPart)
    {
        isPart = true;
        if (inText)
        {
            if (isEscaped) isEscaped = false;
            else if (character == '\\') isEscaped = true;
            else if (character == '"') inText = false;
            return !inText && depth == 0;
        }

        switch (character)
        {
            case '"':
                (inText, hasBegun) = (true, true);
                return false;
            case '{' or '[':
                (depth, hasBegun) = (depth + 1, true);
                return false;
            case '}' or ']' when depth > 0:
                return --depth == 0;
            case '}' or ']' or ',' when depth == 0:
                isPart = false;
                return true;
            default:
                if (depth > 0) return false;
                if (!char.IsWhiteSpace(character)) hasBegun = true;
                else if (hasBegun) isPart = false;
                return hasBegun && !isPart;
        }
    }
}
