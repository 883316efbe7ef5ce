using Llama.Model.Grammars.Expressions;
using Llama.Model.Grammars.Tokens;
using Llama.Model.Tokenization;

namespace Llama.Model.Grammars;

/// <summary>A vocabulary as grammars use it: its tokens in the order of their bytes. Immutable.</summary>
public sealed class GrammarVocabulary
{
    /// <summary>Sorts a vocabulary.</summary>
    /// <param name="vocabulary">The vocabulary.</param>
    public GrammarVocabulary(IVocabulary vocabulary)
    {
        ArgumentNullException.ThrowIfNull(vocabulary);
        Vocabulary = vocabulary;
        Trie = new TokenTrie(vocabulary);
        if (!vocabulary.AddsLeadingSpace) return;
        for (int node = 1; node < Trie.End(0); node = Trie.End(node))
        {
            if (Trie.Value(node) == (byte)' ') SpaceNode = node;
        }

        Spaced = [.. Enumerable.Range(0, vocabulary.VocabSize).Where(id => vocabulary.TokenBytes(id) is [(byte)' ', ..] && !vocabulary.IsByte(id))];
    }

    /// <summary>The vocabulary.</summary>
    public IVocabulary Vocabulary { get; }

    /// <summary>Counts what its grammars take.</summary>
    internal ExprMemory Memory { get; } = new();

    /// <summary>Its tokens.</summary>
    internal TokenTrie Trie { get; }

    /// <summary>The node of a space, where the tokenizer puts one before a text.</summary>
    internal int? SpaceNode { get; }

    /// <summary>The tokens whose space is dropped at the beginning of a text.</summary>
    internal IReadOnlyList<int> Spaced { get; } = [];
}
