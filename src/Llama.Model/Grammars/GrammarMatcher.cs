using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Grammars;

/// <summary>An answer that follows a grammar, token by token. Its state is a function of the tokens. For one thread at a time.</summary>
public sealed class GrammarMatcher
{
    private readonly Grammar grammar;
    private Expr? state;
    private byte[]? mask;
    private bool dropsSpace;

    internal GrammarMatcher(Grammar grammar, bool dropsSpace)
    {
        (this.grammar, this.dropsSpace) = (grammar, dropsSpace);
        state = grammar.Start;
    }

    /// <summary>Whether the answer may end here.</summary>
    public bool CanEnd => state is null or { Nullable: true };

    /// <summary>Takes the next token.</summary>
    /// <param name="token">The token.</param>
    /// <returns>False when the grammar does not allow it; then nothing has changed.</returns>
    /// <exception cref="GrammarException">The grammar has become too large.</exception>
    public bool TryTake(int token)
    {
        if (state is null) return grammar.Ends(token);
        if (grammar.Ends(token))
        {
            if (!state.Nullable) return false;
            (state, mask) = (null, null);
            return true;
        }

        ReadOnlySpan<byte> bytes = grammar.BytesOf(token);
        if (bytes.IsEmpty) return false;
        if (dropsSpace && bytes[0] == (byte)' ' && !grammar.Vocabulary.IsByte(token)) bytes = bytes[1..];
        if (grammar.Follow(state, bytes) is not { } next) return false;
        (state, mask, dropsSpace) = (next, null, false);
        return true;
    }

    /// <summary>The tokens that may come next, as <see cref="TokenMask"/> writes them.</summary>
    /// <exception cref="GrammarException">The grammar has become too large; never after <see cref="Prepare"/>.</exception>
    public ReadOnlySpan<byte> Mask => mask ??= grammar.MaskOf(state, dropsSpace);

    /// <summary>Makes the mask.</summary>
    /// <exception cref="GrammarException">The grammar has become too large, or the vocabulary has no token that goes on.</exception>
    public void Prepare()
    {
        if (TokenMask.IsEmpty(Mask)) throw new GrammarException("No token of the vocabulary goes on with the answer as the grammar has it.");
    }
}
