namespace Llama.Grains.Stages;

/// <summary>A stage cannot take its place in a plan.</summary>
[GenerateSerializer, Alias("llama.stage-exception")]
public sealed class StageException : Exception
{
    /// <summary>A stage cannot take its place in a plan.</summary>
    /// <param name="message">Why, in a sentence.</param>
    public StageException(string message)
        : base(message)
    {
    }
}
