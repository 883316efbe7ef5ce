namespace Llama.Model.Grammars;

/// <summary>
/// The grammars of a process for one vocabulary: one that was made before is not made again. Those that were used last are kept, as many
/// as their states leave room for.
/// </summary>
/// <param name="vocabulary">The vocabulary.</param>
public sealed class GrammarCache(GrammarVocabulary vocabulary)
{
    private const int MostGrammars = 64;
    private const long MostExpressions = GrammarLimits.AllExpressions / 4;

    private readonly Lock taking = new();
    private readonly LinkedList<(string Key, Grammar Grammar)> used = [];

    /// <summary>A grammar.</summary>
    /// <param name="source">The grammar as a client wrote it.</param>
    /// <param name="endTokens">Tokens that end an answer.</param>
    /// <exception cref="GrammarException">It cannot be used.</exception>
    public Grammar Take(GrammarSource source, IReadOnlyList<int> endTokens)
    {
        ArgumentNullException.ThrowIfNull(source);
        string key = $"{source.Kind} {string.Join(' ', endTokens)} {source.Text}";
        lock (taking)
        {
            for (LinkedListNode<(string Key, Grammar Grammar)>? place = used.First; place is not null; place = place.Next)
            {
                if (place.Value.Key != key) continue;
                used.Remove(place);
                used.AddFirst(place);
                return place.Value.Grammar;
            }
        }

        Grammar grammar = Grammar.Compile(source, vocabulary, endTokens);
        lock (taking)
        {
            used.AddFirst((key, grammar));
            while (used.Count > 1 && (used.Count > MostGrammars || used.Sum(entry => (long)entry.Grammar.Expressions) > MostExpressions)) used.RemoveLast();
        }

        return grammar;
    }
}
