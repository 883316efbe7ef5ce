using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>
/// Quality of quantised weights: the perplexity of a text, beside what llama.cpp's <c>llama-perplexity -c 128</c> prints for the same
/// files, as <c>Llama.Bench convert</c> writes them.
/// </summary>
public sealed class PerplexityTests
{
    private const int ContextLength = 128;

    [Theory]
    [InlineData("tinystories", ElementType.F32, 19.7598)]
    [InlineData("tinystories", ElementType.Q8_0, 19.8846)]
    [InlineData("tinystories", ElementType.Q4_0, 19.7340)]
    [InlineData("stories260K", ElementType.Q8_0, 6.6334)]
    public void Perplexity_OfAStory_IsThatOfLlamaCppWithinOnePercent(string model, ElementType type, double expected)
    {
        string folder = model == "tinystories" ? TestPaths.TinyStories : Path.Combine(TestPaths.Beside, "models", model, "hf");
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not there.");
        using var temporary = new TemporaryFolder();
        string file = temporary["model.gguf"];
        GgufConverter.Convert(folder, type, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);

        Assert.Equal(expected, Perplexity(file), expected / 100);
    }

    /// <summary>As llama-perplexity computes it: of every window of the context's length, the second half is predicted.</summary>
    private static double Perplexity(string file)
    {
        using var runner = new ForwardRunner(file, [0, ForwardRunner.LayersOf(file)]);
        ITokenizer tokenizer = TokenizerLoader.Load(file)!;
        string text = File.ReadAllText(Path.Combine(TestPaths.Root, "tests", "Llama.Model.Tests", "Layers", "perplexity.txt"));
        int[] tokens = [.. tokenizer.PromptStart, .. tokenizer.Encode(text)];
        double sum = 0;
        int count = 0;
        for (int start = 0; start + ContextLength <= tokens.Length; start += ContextLength)
        {
            int[] window = tokens[start..(start + ContextLength)];
            window[0] = tokens[0];
            float[][] logits = runner.Logits(window, ContextLength);
            for (int i = ContextLength / 2; i < ContextLength - 1; i++, count++)
            {
                float max = logits[i].Max();
                sum += Math.Log(logits[i].Sum(logit => Math.Exp(logit - max))) + max - logits[i][tokens[start + i + 1]];
            }
        }

        return Math.Exp(sum / count);
    }
}
