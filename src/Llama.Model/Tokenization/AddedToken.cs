namespace Llama.Model.Tokenization;

/// <summary>How an added token is found in a text (Hugging Face's <c>AddedToken</c>).</summary>
/// <param name="StripLeft">White space before the name belongs to the token.</param>
/// <param name="StripRight">White space behind the name belongs to the token.</param>
/// <param name="SingleWord">The name is found only where no word goes on before or behind it.</param>
internal readonly record struct NameRule(bool StripLeft, bool StripRight, bool SingleWord);

/// <summary>A token that a file adds to a vocabulary, or says more about.</summary>
/// <param name="Name">Its text.</param>
/// <param name="Id">Its id, or null where only a token that is there already is meant.</param>
/// <param name="IsSpecial">Whether it is none of the text: hidden when decoded, and never found in what a user wrote.</param>
/// <param name="IsNormalized">Whether it is looked for after the text was normalised.</param>
/// <param name="Rule">How it is found.</param>
internal sealed record AddedToken(string Name, int? Id, bool IsSpecial, bool IsNormalized = false, NameRule Rule = default)
{
    /// <summary>Reads the object that all of Hugging Face's files have for a token.</summary>
    /// <param name="token">The object.</param>
    /// <param name="id">Its id, where known.</param>
    public static AddedToken Read(JsonField token, int? id)
    {
        string name = token["content"].Text();
        var rule = new NameRule(token["lstrip"].Flag(), token["rstrip"].Flag(), token["single_word"].Flag());
        return new AddedToken(name, id, token["special"].Flag() || ControlNames.IsControl(name), token["normalized"].Flag(), rule);
    }
}
