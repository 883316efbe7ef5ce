namespace Llama.Model.Chat.Jinja;

/// <summary>What a template may take: far beyond any that is used, far within what would exhaust the process.</summary>
internal static class JinjaLimits
{
    /// <summary>Statements or brackets within each other.</summary>
    public const int Nesting = 100;

    /// <summary>Macros that call each other.</summary>
    public const int Calls = 64;

    /// <summary>Nodes, items and thousands of characters that a rendering may touch.</summary>
    public const long Steps = 5_000_000;

    /// <summary>Most characters of a text, and of what a rendering gives.</summary>
    public const int Characters = 16 << 20;
}
