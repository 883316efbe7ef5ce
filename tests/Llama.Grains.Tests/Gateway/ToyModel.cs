using Llama.Grains.Generation;
using Llama.Model;
using Llama.Model.Sampling;

namespace Llama.Grains.Tests.Gateway;

/// <summary>
/// A model whose next token is a hash of all tokens so far and of the number that samples it: whatever goes wrong shows at once.
/// </summary>
internal static class ToyModel
{
    public const int EndToken = 0;

    public static ModelConfig Config { get; } = new()
    {
        Dim = 8,
        Layers = 4,
        Heads = 1,
        KvHeads = 1,
        HeadDim = 8,
        HiddenDim = 8,
        VocabSize = 300,
        ContextLength = 4096,
        NormEps = 1e-5f,
        RopeTheta = 10000,
        RotaryLayout = RotaryLayout.Halves,
        Family = LlamaFamily.Llama2,
        EndTokens = [EndToken],
    };

    public static int Next(IEnumerable<int> tokens, double number)
    {
        ulong hash = BitConverter.DoubleToUInt64Bits(number);
        foreach (int token in tokens) hash = (hash ^ (uint)token) * 0x9E3779B97F4A7C15 ^ (hash >> 29);
        return (int)((hash >> 20) % (ulong)Config.VocabSize);
    }

    /// <summary>The tokens that a request gets when it is alone.</summary>
    public static List<int> Alone(GenerationRequest request)
    {
        var tokens = new List<int>(request.PromptTokens);
        int end = request.PromptTokens.Count + request.MaxTokens!.Value;
        while (tokens.Count < end)
        {
            tokens.Add(Next(tokens, UniformNumber.At(request.Seed, tokens.Count)));
            if (!request.IgnoreEndTokens && tokens[^1] == EndToken) break;
        }

        return tokens[request.PromptTokens.Count..];
    }

    /// <summary>A request whose prompt is a function of its seed; end tokens are ignored, so its length is known.</summary>
    public static GenerationRequest Request(int seed, int prompt = 5, int generate = 20) => new()
    {
        PromptTokens = [.. Enumerable.Range(0, prompt).Select(i => ((seed * 31) + (i * 7) + 1) % Config.VocabSize)],
        MaxTokens = generate,
        Seed = (ulong)seed,
        IgnoreEndTokens = true,
    };
}
