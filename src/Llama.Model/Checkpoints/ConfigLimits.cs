namespace Llama.Model.Checkpoints;

/// <summary>What a configuration may say: far beyond any released model, far within what would overflow or exhaust memory.</summary>
internal static class ConfigLimits
{
    /// <summary>Most transformer layers.</summary>
    public const int Layers = 1000;

    /// <summary>Most heads of a layer.</summary>
    public const int Heads = 4096;

    /// <summary>Greatest width of hidden states, of a head and of all heads.</summary>
    public const int Dim = 1 << 20;

    /// <summary>Greatest width of the feed-forward layer.</summary>
    public const int HiddenDim = 1 << 22;

    /// <summary>Most tokens of a vocabulary.</summary>
    public const int VocabSize = 1 << 22;

    /// <summary>Longest context in tokens.</summary>
    public const int ContextLength = 1 << 24;

    /// <summary>Greatest base of the rotary frequencies.</summary>
    public const double RopeTheta = 1e12;

    /// <summary>Greatest temperature that a checkpoint may recommend; requests have the same limit.</summary>
    public const double Temperature = 2;

    /// <summary>Greatest factor of scaled rotary frequencies.</summary>
    public const double RopeFactor = 1e6;

    /// <summary>Checks what two fields say together.</summary>
    /// <param name="file">The configuration file, for messages.</param>
    /// <param name="config">What it says.</param>
    /// <returns><paramref name="config"/>.</returns>
    /// <exception cref="CheckpointException">They contradict each other.</exception>
    public static ModelConfig Check(string file, ModelConfig config)
    {
        if (config.KvHeads > config.Heads || config.Heads % config.KvHeads != 0)
        {
            throw new CheckpointException(
                $"{file}: found {config.KvHeads} key and value heads, expected a divisor of the {config.Heads} query heads");
        }

        if (config.HeadDim % 2 != 0)
            throw new CheckpointException($"{file}: found heads of width {config.HeadDim}, expected an even number");
        if ((long)config.Heads * config.HeadDim > Dim)
            throw new CheckpointException($"{file}: found {config.Heads} heads of width {config.HeadDim}, expected at most {Dim} together");
        return config;
    }

    /// <summary>The width of a head where the file does not say it.</summary>
    /// <exception cref="CheckpointException">The heads do not divide the width.</exception>
    public static int HeadDim(string file, int dim, int heads) => dim % heads == 0
        ? dim / heads
        : throw new CheckpointException(
            $"{file}: found width {dim} and {heads} heads, expected the heads to divide the width where head_dim is not there");

    /// <summary>The rotary scaling with the user's factor, if there is one.</summary>
    /// <exception cref="CheckpointException">The model's frequencies are not scaled as Llama 3.1's.</exception>
    public static RopeScaling? Override(string file, RopeScaling? scaling, CheckpointOptions options)
    {
        if (options.RopeFactor is not { } factor) return scaling;
        if (scaling is null)
        {
            throw new CheckpointException(
                $"--rope-factor: found {factor}, but {file} does not scale rotary frequencies as Llama 3.1 does, expected it not to be set");
        }

        return factor >= 1 && factor <= RopeFactor
            ? scaling with { Factor = factor }
            : throw new CheckpointException($"--rope-factor: found {factor}, expected a number from 1 to {RopeFactor}");
    }

    /// <summary>The context length with the user's, if there is one.</summary>
    /// <exception cref="CheckpointException">It is not possible.</exception>
    public static int Override(int contextLength, CheckpointOptions options) => options.ContextLength switch
    {
        null => contextLength,
        >= 1 and <= ContextLength => options.ContextLength.Value,
        _ => throw new CheckpointException($"--context: found {options.ContextLength}, expected a whole number from 1 to {ContextLength}"),
    };
}
