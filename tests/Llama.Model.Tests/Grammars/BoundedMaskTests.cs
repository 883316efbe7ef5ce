using Llama.Model.Grammars;
using Llama.Model.Grammars.Expressions;

namespace Llama.Model.Tests.Grammars;

/// <summary>Masks of states near and far from the bounds of lengths and counts, with tokens of all lengths around the bounds.</summary>
public sealed class BoundedMaskTests
{
    private static readonly int[] Lengths = [2, 3, 8, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 70, 100];

    private static readonly TestVocabulary Vocabulary = new(
        false, [.. Lengths.SelectMany(length => (string[])[Text('a', length), Text('a', length) + "\"", Text('é', length), "\"" + Text(',', length), Text('1', length)])]);

    private static readonly GrammarVocabulary ForGrammars = new(Vocabulary);

    public static TheoryData<GrammarKind, string> Sources => new()
    {
        { GrammarKind.JsonSchema, """{"type":"string","maxLength":66}""" },
        { GrammarKind.JsonSchema, """{"type":"string","minLength":34,"maxLength":130}""" },
        { GrammarKind.JsonSchema, """{"type":"string","minLength":40}""" },
        { GrammarKind.JsonSchema, """{"type":"string","pattern":"^a{18,70}$"}""" },
        { GrammarKind.JsonSchema, """{"type":"string","pattern":"a{18,70}","maxLength":90}""" },
        { GrammarKind.JsonSchema, """{"type":"array","items":{"type":"string","maxLength":33},"minItems":17,"maxItems":20}""" },
        { GrammarKind.Regex, "(a|é){0,49}1{2,20}" },
        { GrammarKind.Regex, "(a{2,3}1){16,40}" },
        { GrammarKind.Gbnf, """root ::= "\"" [^"]{16,80} "\"" ("," [a-z]{0,33}){0,20}""" },
    };

    [Theory]
    [MemberData(nameof(Sources))]
    public void MaskOf_EveryState_AllowsTheTokensThatTheGrammarFollows(GrammarKind kind, string source)
    {
        Grammar grammar = Grammar.Compile(new GrammarSource(kind, source), ForGrammars, [Vocabulary.End]);
        for (int seed = 0; seed < 6; seed++)
        {
            var random = new Random(seed);
            Expr state = grammar.Start;
            for (int taken = 0; taken < 120; taken++)
            {
                List<int> followed = [.. Enumerable.Range(0, Vocabulary.End).Where(token => grammar.Follow(state, Vocabulary.TokenBytes(token)) is not null)];
                List<int> allowed = Allowed(grammar.MaskOf(state, false));
                Assert.Equal(state.Nullable, allowed.Remove(Vocabulary.End));
                Assert.Equal(followed, allowed);
                if (followed.Count == 0) break;

                // Mostly single bytes, so that every distance from a bound comes about.
                List<int> bytes = [.. followed.Where(token => token < 256)];
                List<int> chosen = random.Next(10) > 0 && bytes.Count > 0 ? bytes : followed;
                state = grammar.Follow(state, Vocabulary.TokenBytes(chosen[random.Next(chosen.Count)]))!;
            }
        }
    }

    private static List<int> Allowed(byte[] mask)
    {
        ulong[] bits = new ulong[(Vocabulary.VocabSize + 63) / 64];
        TokenMask.Read(mask, bits);
        return [.. Enumerable.Range(0, Vocabulary.VocabSize).Where(token => ((bits[token >> 6] >> (token & 63)) & 1) != 0)];
    }

    private static string Text(char value, int length) => new(value, length);
}
