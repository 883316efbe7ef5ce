namespace Llama.Grains.Links;

/// <summary>What a dialled link is for.</summary>
public enum LinkPurpose
{
    /// <summary>Nothing but the handshake: whether the process answers, with the right model and key, and as long as it is open, lives.</summary>
    Check,

    /// <summary>Steps into a stage.</summary>
    Steps,

    /// <summary>Results out of the last stage, to the gateway that dialled.</summary>
    Results,

    /// <summary>Heartbeats of a stage's process, to the gateway that dialled.</summary>
    Heartbeat,
}

/// <summary>What a link to a stage opens with: its owner gave it to the stage when that loaded, and to who is to open links.</summary>
/// <param name="Epoch">The plan that the stage was loaded for.</param>
/// <param name="Secret">A random number of that stage in that plan; plans of one number have different ones.</param>
public readonly record struct LinkTicket(ulong Epoch, Guid Secret);

/// <summary>What a link is for.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="Ticket">The ticket of the stage, for all purposes but <see cref="LinkPurpose.Check"/>.</param>
public sealed record LinkTarget(LinkPurpose Purpose, LinkTicket? Ticket = null);
