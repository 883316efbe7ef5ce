using System.Text;

namespace Llama.Gateway.Api.Generation;

/// <summary>What a block of an answer is.</summary>
internal enum BlockKind
{
    /// <summary>What the model thought before it answered.</summary>
    Reasoning,

    /// <summary>Text.</summary>
    Text,

    /// <summary>A call of a tool.</summary>
    Call,
}

/// <summary>What happens to a block.</summary>
internal enum BlockStep
{
    /// <summary>It begins.</summary>
    Begin,

    /// <summary>It gets longer.</summary>
    Grow,

    /// <summary>It is complete.</summary>
    End,
}

/// <summary>A block of an answer.</summary>
/// <param name="index">Its number in the answer, from 0.</param>
/// <param name="kind">What it is.</param>
internal sealed class AnswerBlock(int index, BlockKind kind)
{
    private readonly StringBuilder text = new();

    /// <summary>Its number in the answer, from 0.</summary>
    public int Index => index;

    /// <summary>What it is.</summary>
    public BlockKind Kind => kind;

    /// <summary>The tool that it calls; empty for another kind.</summary>
    public string Name { get; init; } = "";

    /// <summary>By which a result names the call; empty for another kind.</summary>
    public string CallId { get; init; } = "";

    /// <summary>All of it that is there: its text, or a call's arguments.</summary>
    public string Text => text.ToString();

    /// <summary>Makes it longer.</summary>
    /// <param name="more">By what.</param>
    internal void Append(string more) => text.Append(more);
}

/// <summary>A step of a block.</summary>
/// <param name="Step">What happens to it.</param>
/// <param name="Block">The block.</param>
/// <param name="Delta">By what it gets longer; else empty.</param>
internal readonly record struct BlockChange(BlockStep Step, AnswerBlock Block, string Delta = "");

/// <summary>
/// A choice as blocks one after the other, as the protocols have it that stream the parts of a message: each begins, grows and ends before the next
/// one begins. A choice has one block at least.
/// </summary>
/// <param name="answerId">The answer's id.</param>
internal sealed class AnswerBlocks(string answerId)
{
    private readonly List<AnswerBlock> blocks = [];
    private readonly List<BlockChange> changes = [];

    /// <summary>The blocks that have begun.</summary>
    public IReadOnlyList<AnswerBlock> All => blocks;

    /// <summary>The text of all blocks of a kind.</summary>
    /// <param name="kind">The kind.</param>
    public string TextOf(BlockKind kind) => string.Concat(blocks.Where(block => block.Kind == kind).Select(block => block.Text));

    /// <summary>Takes the next piece.</summary>
    /// <param name="piece">The piece.</param>
    /// <returns>What it changes; valid until the next call.</returns>
    public IReadOnlyList<BlockChange> Append(ChoicePiece piece)
    {
        changes.Clear();
        if (piece.Reasoning.Length > 0) Grow(BlockKind.Reasoning, piece.Reasoning);
        if (piece.Text.Length > 0) Grow(BlockKind.Text, piece.Text);
        foreach (var part in piece.Calls)
        {
            if (part.Name is { } name)
            {
                End();
                Begin(new AnswerBlock(blocks.Count, BlockKind.Call) { Name = name, CallId = part.IdIn(answerId, piece.Choice) });
            }

            if (part.Arguments.Length > 0) Grow(part.Arguments);
        }

        if (piece.Finish is null) return changes;
        if (blocks.Count == 0) Begin(new AnswerBlock(0, BlockKind.Text));
        End();
        return changes;
    }

    private void Grow(BlockKind kind, string text)
    {
        if (blocks.Count == 0 || blocks[^1].Kind != kind)
        {
            End();
            Begin(new AnswerBlock(blocks.Count, kind));
        }

        Grow(text);
    }

    private void Grow(string text)
    {
        blocks[^1].Append(text);
        changes.Add(new BlockChange(BlockStep.Grow, blocks[^1], text));
    }

    private void Begin(AnswerBlock block)
    {
        blocks.Add(block);
        changes.Add(new BlockChange(BlockStep.Begin, block));
    }

    private void End()
    {
        if (blocks.Count > 0) changes.Add(new BlockChange(BlockStep.End, blocks[^1]));
    }
}
