using System.Security.Cryptography;
using System.Text;

namespace Llama.Gateway.Api.Tools;

/// <summary>Some more of a call, or all of it.</summary>
/// <param name="Index">The call's number in the answer, from 0.</param>
/// <param name="Name">The function, in the call's first part; null in later ones.</param>
/// <param name="Arguments">Some more of the text of its arguments.</param>
internal sealed record ToolCallPart(int Index, string? Name, string Arguments)
{
    private const int IdBytes = 12;

    /// <summary>
    /// By which a result names the call: a function of the answer's id, so that a retry of the request gets the same, and no other answer of
    /// a conversation does.
    /// </summary>
    /// <param name="answerId">The answer's id.</param>
    /// <param name="choice">The choice's index.</param>
    public string IdIn(string answerId, int choice) =>
        $"call_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{answerId} {choice} {Index}")).AsSpan(0, IdBytes))}";

    /// <summary>Whole calls of their parts.</summary>
    /// <param name="parts">The parts, in their order.</param>
    public static IReadOnlyList<ToolCallPart> Join(IEnumerable<ToolCallPart> parts) =>
    [
        .. parts.GroupBy(part => part.Index).Select(call => new ToolCallPart(
            call.Key, call.First().Name, string.Concat(call.Select(part => part.Arguments)))),
    ];
}
