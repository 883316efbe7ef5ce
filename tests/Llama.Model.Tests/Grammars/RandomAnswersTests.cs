using System.Text.Json;
using System.Text.Json.Nodes;
using Json.Schema;
using Llama.Bench.Schemas;
using Llama.Model.Grammars;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Grammars;

/// <summary>Answers of a model that knows nothing, at any temperature, are valid by their schema; another implementation is the judge.</summary>
public sealed class RandomAnswersTests
{
    private const int Schemas = 1000;
    private const int Budget = 512;

    [Fact]
    public void Answers_ToRandomSchemas_AreValidOrTheBeginningOfSuch()
    {
        ITokenizer tokenizer = TokenizerLoader.Load(TestPaths.TinyStories, [])!;
        int end = tokenizer.EndOfText!.Value;
        var vocabulary = new GrammarVocabulary(tokenizer);
        using var sampler = new Sampler(tokenizer.VocabSize);
        float[] logits = new float[tokenizer.VocabSize];
        int complete = 0;
        for (int seed = 0; seed < Schemas; seed++)
        {
            var random = new Random(seed);
            JsonNode schema = RandomSchemas.Make(random);
            string source = schema.ToJsonString();
            GrammarMatcher matcher;
            try
            {
                matcher = Grammar.Compile(new GrammarSource(GrammarKind.JsonSchema, source), vocabulary, [end]).Begin(startsText: true);
            }
            catch (GrammarException exception) when (exception.Message.StartsWith("No text", StringComparison.Ordinal))
            {
                complete++;
                continue;
            }

            List<int> tokens = [];
            bool ended = false;
            var sampling = new SamplingParameters { Temperature = (float)(random.Next(4) * 0.5), TopP = random.Next(2) == 0 ? 1 : 0.9f };
            while (!ended && tokens.Count < Budget)
            {
                for (int i = 0; i < logits.Length; i++) logits[i] = (float)((random.NextDouble() - 0.5) * 8);
                int token = Sample(sampler, logits, sampling, random.NextDouble(), matcher.Mask);
                Assert.True(matcher.TryTake(token), $"Schema {seed}: the mask allows token {token}, the grammar does not.");
                ended = token == end;
                if (!ended) tokens.Add(token);
                else Assert.True(matcher.CanEnd);
            }

            if (!ended) continue;
            complete++;
            string text = tokenizer.Decode(tokens);
            using JsonDocument value = JsonDocument.Parse(text);
            bool valid = JsonSchema.FromText(source).Evaluate(value.RootElement, new EvaluationOptions { RequireFormatValidation = true }).IsValid;
            Assert.True(valid, $"Schema {seed}: {source} has the answer {text}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{complete} of {Schemas} answers are complete.");
        Assert.InRange(complete, Schemas * 9 / 10, Schemas);
    }

    private static unsafe int Sample(Sampler sampler, float[] logits, SamplingParameters sampling, double number, ReadOnlySpan<byte> mask)
    {
        fixed (float* pointer = logits) return sampler.Sample(pointer, sampling, number, [], new LogitChanges { Mask = mask }).Token;
    }
}
