namespace Llama.Grains.Links;

/// <summary>
/// Lets the thread that hears from a socket go on with what waited for it, instead of waking one of the pool: a step or a result is read
/// where it arrives. Nothing that waits for a socket here blocks.
/// </summary>
public static class InlineSockets
{
    /// <summary>Sets the runtime's switch, which has no other place than the environment; before the process opens its first socket.</summary>
    public static void Enable() => Environment.SetEnvironmentVariable("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
}
