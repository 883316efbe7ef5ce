using System.Threading.Channels;

namespace Llama.Grains.Gateway;

/// <summary>One generation under way. Only its scheduler's loop touches it, but for the channel that the client reads.</summary>
internal sealed class Sequence
{
    /// <summary>A sequence that has not begun.</summary>
    /// <param name="request">The request, checked.</param>
    /// <param name="arrival">Orders sequences: earlier ones go first.</param>
    /// <param name="maxTokens">Length in tokens, prompt included, at which it ends.</param>
    public Sequence(GenerationRequest request, long arrival, int maxTokens)
    {
        Request = request;
        Arrival = arrival;
        MaxTokens = maxTokens;
        Tokens = [.. request.PromptTokens];
    }

    /// <summary>The request.</summary>
    public GenerationRequest Request { get; }

    /// <summary>Orders sequences: earlier ones go first.</summary>
    public long Arrival { get; }

    /// <summary>Length in tokens, prompt included, at which it ends.</summary>
    public int MaxTokens { get; }

    /// <summary>The prompt and every token generated so far.</summary>
    public List<int> Tokens { get; }

    /// <summary>Its KV blocks; empty while it waits.</summary>
    public List<int> Blocks { get; } = [];

    /// <summary>Positions that have been sent into the pipeline.</summary>
    public int Scheduled { get; set; }

    /// <summary>Steps that carry it and have not come back.</summary>
    public int StepsUnderWay { get; set; }

    /// <summary>It has ended, for whatever reason; nothing of it is sent any more.</summary>
    public bool Ended { get; set; }

    /// <summary>Pipelines that were lost under it since its last token.</summary>
    public int LossesInARow { get; set; }

    /// <summary>When it began to wait for a pipeline (the scheduler's clock).</summary>
    public long WaitingSince { get; set; }

    /// <summary>
    /// Whether a step could carry something of it: tokens that have not been sent. The last token is drawn from, then awaited.
    /// </summary>
    public bool HasWork => !Ended && Scheduled < Tokens.Count;

    /// <summary>Whether all tokens but the newest have been sent: the next step draws a token.</summary>
    public bool Decodes => Scheduled == Tokens.Count - 1 && Tokens.Count > Request.PromptTokens.Count;

    /// <summary>What the client reads. It holds at most as many tokens as the sequence may generate.</summary>
    public Channel<GeneratedToken> Output { get; } =
        Channel.CreateUnbounded<GeneratedToken>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
}
