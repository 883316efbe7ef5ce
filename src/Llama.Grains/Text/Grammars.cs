using Llama.Grains.Generation;
using Llama.Model.Grammars;
using Llama.Model.Tokenization;

namespace Llama.Grains.Text;

/// <summary>Makes the grammars of answers, and keeps those that were used last.</summary>
/// <param name="model">Has the vocabulary.</param>
/// <param name="endTokens">Tokens with which the model's configuration ends an answer, where it is known.</param>
public sealed class Grammars(IModelSource model, IReadOnlyList<int> endTokens)
{
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(5);

    private readonly Lock making = new();
    private (IVocabulary Vocabulary, GrammarCache Cache)? made;

    /// <summary>Begins an answer.</summary>
    /// <param name="grammar">Its grammar.</param>
    /// <param name="stopTokens">Tokens that end it, besides those of the model's configuration.</param>
    /// <param name="resumed">Tokens that it begins with.</param>
    /// <exception cref="GrammarException">It is no grammar, is too large, or asks for what is not supported.</exception>
    /// <exception cref="GenerationException">It is not known yet which model the cluster serves, or others take all the memory.</exception>
    public GrammarMatcher Begin(AnswerGrammar grammar, IReadOnlyList<int> stopTokens, IEnumerable<GeneratedToken> resumed)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        ArgumentNullException.ThrowIfNull(resumed);
        try
        {
            GrammarMatcher matcher = Cache().Take(
                new GrammarSource(grammar.Kind, grammar.Text), [.. endTokens.Union(stopTokens).Order()]).Begin(grammar.StartsText);
            foreach (GeneratedToken token in resumed)
            {
                if (!matcher.TryTake(token.Sampled.Token))
                    throw new GrammarException($"The grammar does not allow token {token.Sampled.Token}, with which the answer is resumed.");
            }

            // The first mask of a grammar takes the longest: here nobody else waits for it.
            matcher.Prepare();
            return matcher;
        }
        catch (GrammarException exception) when (exception.IsTemporary)
        {
            throw new GenerationException(GenerationError.Overloaded, exception.Message, TryAgain);
        }
    }

    /// <summary>Sorts the vocabulary, and runs once through what a grammar takes: else the first request would wait for it.</summary>
    /// <exception cref="GenerationException">It is not known yet which model the cluster serves.</exception>
    public void Prepare()
    {
        ModelText text = model.Text;
        if (text.Vocabulary is null) return;
        try
        {
            Begin(new AnswerGrammar(GrammarKind.JsonObject, "", StartsText: true), text.EndTokens, []);
        }
        catch (GrammarException)
        {
            // A vocabulary without braces writes no JSON; who asks for it is told.
        }
    }

    private GrammarCache Cache()
    {
        IVocabulary vocabulary = model.Text.Vocabulary
            ?? throw new GrammarException("The model has no tokenizer, so its answers cannot follow a grammar.");
        lock (making)
        {
            if (made is { } known && known.Vocabulary == vocabulary) return known.Cache;
            made = (vocabulary, new GrammarCache(new GrammarVocabulary(vocabulary)));
            return made.Value.Cache;
        }
    }
}
